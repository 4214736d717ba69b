import { createHash, randomBytes } from 'node:crypto'
import type { Metadata } from '../../metadata/metadata.ts'
import type { Role } from '../site.ts'

/** A session ends so long after it began, and so long after it was last used. */
const LONGEST = '30 days'
const IDLE = '3 days'
/** In a statement on `metadata.web_session` under its own name. */
export const IS_OPEN = `(web_session.seen_at > now() - interval '${IDLE}' and web_session.created_at > now() - interval '${LONGEST}')`

/** 256 bits of chance: nobody guesses one, so it may be found by its hash, quickly made as that is. */
export function newToken(): string {
  return randomBytes(32).toString('base64url')
}

export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

export interface NewSession {
  name: string
  /** What the password was compared with. */
  passwordHash: string
  token: string
  /** The token this browser had so far: worth nothing any more after a login. */
  before: string | undefined
  /** As `networkOf` and `browserOf` tell. */
  network: string
  browser: string
}

/** False where the password was changed meanwhile: its new one would not end a session that begins after it. */
export async function beginSession(db: Metadata, session: NewSession): Promise<boolean> {
  const { name, passwordHash, token, before, network, browser } = session
  return await db.transaction(async (tx) => {
    if (before !== undefined) await endSession(tx, before)
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
  /** To the minute. */
  seen_at: Date
  /** Null where it began before these were kept. */
  network: string | null
  browser: string | null
  /** Whether it is the one of this token. */
  own: boolean
}

/** The open sessions of a user: the asker's own first, then by when they were used. */
export async function listSessions(db: Metadata, name: string, token: string | undefined): Promise<SessionRow[]> {
  const { rows } = await db.query<SessionRow>(
    `select session_id, created_at, seen_at, network, browser, token_hash is not distinct from $2 as own
     from metadata.web_session where user_name = $1 and ${IS_OPEN} order by own desc, seen_at desc, session_id`,
    [name, token === undefined ? null : hashToken(token)],
  )
  return rows
}

/** Ends one session of this user; false where the user has no such session, be it somebody else's or none at all. */
export async function endSessionOf(db: Metadata, name: string, sessionId: string): Promise<boolean> {
  if (!/^\d{1,18}$/.test(sessionId)) return false
  const { rowCount } = await db.query('delete from metadata.web_session where user_name = $1 and session_id = $2', [
    name,
    sessionId,
  ])
  return (rowCount ?? 0) > 0
}

/** Ends all sessions of a user but the one that is kept; returns how many. */
export async function endSessions(db: Metadata, name: string, keep: Buffer | null = null): Promise<number> {
  const { rowCount } = await db.query(
    'delete from metadata.web_session where user_name = $1 and token_hash is distinct from $2',
    [name, keep],
  )
  return rowCount ?? 0
}

export interface Asker {
  /** Whether there is any user at all. */
  users: boolean
  user_name: string | null
  role: Role | null
}

/** Who comes with this token, and whether anybody needs one. Notes that it was used, once a minute. */
export async function readAsker(db: Metadata, token: string | undefined): Promise<Asker> {
  const { rows } = await db.query<Asker & { old: boolean | null }>({
    name: 'read_asker',
    text: `select exists (select from metadata.web_user) as users, s.user_name, s.role, s.old
      from (values (1)) one left join (
        select user_name, role, seen_at < now() - interval '1 minute' as old
        from metadata.web_session join metadata.web_user using (user_name)
        where token_hash = $1 and ${IS_OPEN}) s on true`,
    values: [token === undefined ? null : hashToken(token)],
  })
  const [asker] = rows
  if (token !== undefined && asker?.old) {
    await db.query('update metadata.web_session set seen_at = now() where token_hash = $1', [hashToken(token)])
  }
  return asker ?? { users: true, user_name: null, role: null }
}

/** Of these sessions, by their hashes in hex, those that are open still; '' is nobody's, open while there is no user. */
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
