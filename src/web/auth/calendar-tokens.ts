import type { Metadata } from '../../metadata/metadata.ts'
import { hashToken, newToken } from './sessions.ts'

export interface CalendarToken {
  created_at: Date
  /** Null until a program has asked with it. */
  used_at: Date | null
}

export async function readCalendarToken(db: Metadata, name: string): Promise<CalendarToken | undefined> {
  const { rows } = await db.query<CalendarToken>(
    'select created_at, used_at from metadata.calendar_token where user_name = $1',
    [name],
  )
  return rows[0]
}

/** A new token in place of whatever one there was. It is told here and never again: what is kept is its hash. */
export async function makeCalendarToken(db: Metadata, name: string): Promise<string> {
  const token = newToken()
  await db.query(
    `insert into metadata.calendar_token (user_name, token_hash) values ($1, $2)
     on conflict (user_name) do update set token_hash = excluded.token_hash, created_at = now(), used_at = null`,
    [name, hashToken(token)],
  )
  return token
}

export async function withdrawCalendar(db: Metadata, name: string): Promise<void> {
  await db.query('delete from metadata.calendar_token where user_name = $1', [name])
}

/**
 * Whose token it is, noting that it was used. It is found by its SHA-256: how long that takes tells something of a
 * digest at most, which nobody can turn into a token, so no comparison depends on the token itself.
 */
export async function useCalendarToken(db: Metadata, token: string): Promise<string | undefined> {
  const { rows } = await db.query<{ user_name: string }>(
    'update metadata.calendar_token set used_at = now() where token_hash = $1 returning user_name',
    [hashToken(token)],
  )
  return rows[0]?.user_name
}
