import type { Metadata } from '../../metadata/metadata.ts'
import { hashToken, newToken } from './sessions.ts'

export interface CalendarToken {
  created_at: Date
  /** Null until a program has used it. */
  used_at: Date | null
}

export async function readCalendarToken(db: Metadata, name: string): Promise<CalendarToken | undefined> {
  const { rows } = await db.query<CalendarToken>(
    'select created_at, used_at from metadata.calendar_token where user_name = $1',
    [name],
  )
  return rows[0]
}

/** Replaces the user's token. Returns the new token. It cannot be read again, because only its hash is stored. */
export async function createCalendarToken(db: Metadata, name: string): Promise<string> {
  const token = newToken()
  await db.query(
    `insert into metadata.calendar_token (user_name, token_hash) values ($1, $2)
     on conflict (user_name) do update set token_hash = excluded.token_hash, created_at = now(), used_at = null`,
    [name, hashToken(token)],
  )
  return token
}

export async function revokeCalendar(db: Metadata, name: string): Promise<void> {
  await db.query('delete from metadata.calendar_token where user_name = $1', [name])
}

/**
 * Returns the token's user and records the use. The lookup uses the SHA-256 hash, so its duration cannot reveal the
 * token.
 */
export async function useCalendarToken(db: Metadata, token: string): Promise<string | undefined> {
  const { rows } = await db.query<{ user_name: string }>(
    'update metadata.calendar_token set used_at = now() where token_hash = $1 returning user_name',
    [hashToken(token)],
  )
  return rows[0]?.user_name
}
