import { createHash, randomBytes } from 'node:crypto'
import type { Metadata } from '../../metadata/metadata.ts'
import type { Role } from '../site.ts'

/** A session ends this long after it started, and this long after its last use. */
const LONGEST = '30 days'
const IDLE = '3 days'
/** SQL condition; the statement must use `metadata.web_session` without an alias. */
export const IS_OPEN = `(web_session.seen_at > now() - interval '${IDLE}' and web_session.created_at > now() - interval '${LONGEST}')`

/** 256 random bits. Tokens cannot be guessed, so a fast hash is enough to store and find them. */
export function newToken(): string {
  return randomBytes(32).toString('base64url')
}

export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

export interface NewSession {
  name: string
  /** The hash that the password was compared with. */
  passwordHash: string
  token: string
  /** The browser's previous token. The login ends this earlier session. */
  replaces: string | undefined
  /** From `networkOf` and `browserOf`. */
  network: string
  browser: string
}

/** Returns false, and starts no session, if the password was changed since it was checked. */
export async function startSession(db: Metadata, session: NewSession): Promise<boolean> {
  const { name, passwordHash, token, replaces, network, browser } = session
  return await db.transaction(async (tx) => {
    if (replaces !== undefined) await endSession(tx, replaces)
    await tx.query(`delete from metadata.web_session where not ${IS_OPEN}`)
    const { rowCount } = await tx.query(
      `insert into metadata.web_session (token_hash, user_name, network, browser)
       select $1, user_name, $4, $5 from metadata.web_user where user_name = $2 and password_hash = $3 for share`,
      [hashToken(token), name, passwordHash, network, browser],
    )
    return rowCount === 1
  })
}

export async function endSession(db: Metadata, token: string): Promise<void> {
  await db.query('delete from metadata.web_session where token_hash = $1', [hashToken(token)])
}

export interface SessionRow {
  session_id: number
  created_at: Date
  /** Accurate to the minute. */
  seen_at: Date
  /** Null if the session is older than this column. */
  network: string | null
  browser: string | null
  /** True if the session belongs to the given token. */
  own: boolean
}

/** The user's open sessions: the one of this token first, then the last used first. */
export async function listSessions(db: Metadata, name: string, token: string | undefined): Promise<SessionRow[]> {
  const { rows } = await db.query<SessionRow>(
    `select session_id, created_at, seen_at, network, browser, token_hash is not distinct from $2 as own
     from metadata.web_session where user_name = $1 and ${IS_OPEN} order by own desc, seen_at desc, session_id`,
    [name, token === undefined ? null : hashToken(token)],
  )
  return rows
}

/** Ends one session. Returns false if this user has no session of that id. */
export async function endSessionOf(db: Metadata, name: string, sessionId: string): Promise<boolean> {
  if (!/^\d{1,18}$/.test(sessionId)) return false
  const { rowCount } = await db.query('delete from metadata.web_session where user_name = $1 and session_id = $2', [
    name,
    sessionId,
  ])
  return (rowCount ?? 0) > 0
}

/** Ends all sessions of a user except `keep` (a token hash). Returns how many ended. */
export async function endSessions(db: Metadata, name: string, keep: Buffer | null = null): Promise<number> {
  const { rowCount } = await db.query(
    'delete from metadata.web_session where user_name = $1 and token_hash is distinct from $2',
    [name, keep],
  )
  return rowCount ?? 0
}

export interface SessionUser {
  /** Whether any user exists. */
  users: boolean
  user_name: string | null
  role: Role | null
}

/** Returns the token's user, and whether the site has users at all. Records the use, at most once a minute. */
export async function readSessionUser(db: Metadata, token: string | undefined): Promise<SessionUser> {
  const { rows } = await db.query<SessionUser & { old: boolean | null }>({
    name: 'read_session_user',
    text: `select exists (select from metadata.web_user) as users, s.user_name, s.role, s.old
      from (values (1)) one left join (
        select user_name, role, seen_at < now() - interval '1 minute' as old
        from metadata.web_session join metadata.web_user using (user_name)
        where token_hash = $1 and ${IS_OPEN}) s on true`,
    values: [token === undefined ? null : hashToken(token)],
  })
  const [found] = rows
  if (token !== undefined && found?.old) {
    await db.query('update metadata.web_session set seen_at = now() where token_hash = $1', [hashToken(token)])
  }
  return found ?? { users: true, user_name: null, role: null }
}

/**
 * Returns those of these sessions (token hashes in hex) that are open; also '' (no session) if the site has no users.
 */
export async function openSessions(db: Metadata, sessions: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ session: string }>({
    name: 'open_sessions',
    text: `select encode(token_hash, 'hex') as session from metadata.web_session
      where token_hash in (select decode(session, 'hex') from unnest($1::text[]) session) and ${IS_OPEN}
      union all select '' where not exists (select from metadata.web_user)`,
    values: [sessions],
  })
  return new Set(rows.map(({ session }) => session))
}
