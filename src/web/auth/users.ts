import { type TminusError, UsageError } from '../../errors.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import type { Role } from '../site.ts'
import { revokeCalendar } from './calendar-tokens.ts'
import { checkPassword, hashPassword } from './password.ts'
import { endSessions, IS_OPEN } from './sessions.ts'
import { type Client, inTurn } from './turns.ts'

export interface UserRow {
  user_name: string
  role: Role
  created_at: Date
  /** When any session was last used; null if there is none. */
  seen_at: Date | null
  /** The number of open sessions. */
  sessions: number
  /** True if the user has a calendar address. */
  calendar: boolean
}

export async function listUsers(db: Metadata): Promise<UserRow[]> {
  const { rows } = await db.query<UserRow>(
    `select user_name, role, created_at, seen_at, coalesce(sessions, 0) as sessions,
       exists (select from metadata.calendar_token c where c.user_name = u.user_name) as calendar
     from metadata.web_user u left join (
       select user_name, max(seen_at) as seen_at, count(*) filter (where ${IS_OPEN}) as sessions
       from metadata.web_session group by user_name) s using (user_name)
     order by user_name`,
  )
  return rows
}

export async function hasUsers(db: Metadata): Promise<boolean> {
  const { rows } = await db.query('select from metadata.web_user limit 1')
  return rows.length > 0
}

/** Throws UsageError for a name that is taken or invalid, and for a password that is too short or too long. */
export async function createUser(
  db: Metadata,
  name: string,
  role: Role,
  password: string,
  client?: Client,
): Promise<void> {
  await checkNewName(db, name)
  checkPassword(password)
  const { rowCount } = await db.query(
    `insert into metadata.web_user (user_name, role, password_hash) values ($1, $2, $3) on conflict do nothing`,
    [name, role, await inTurn(client, () => hashPassword(password))],
  )
  if (rowCount === 0) throw isTaken(name)
}

/** Call this before you ask for a password. Throws UsageError for a name that is taken or invalid. */
export async function checkNewName(db: Metadata, name: string): Promise<void> {
  if (!/^[A-Za-z0-9_.@-]{1,100}$/.test(name))
    throw new UsageError("A user's name has 1 to 100 letters, digits, '-', '_', '.' and '@'")
  if (await isUser(db, name)) throw isTaken(name)
}

/** Call this before you ask for a password. Throws UsageError for an unknown user. */
export async function checkUser(db: Metadata, name: string): Promise<void> {
  if (!(await isUser(db, name))) throw noUser(name)
}

async function isUser(db: Metadata, name: string): Promise<boolean> {
  return (await readPasswordHash(db, name)) !== undefined
}

/** Undefined for an unknown user. */
export async function readPasswordHash(db: Metadata, name: string): Promise<string | undefined> {
  const text = 'select password_hash from metadata.web_user where user_name = $1'
  const { rows } = await db.query<{ password_hash: string }>(text, [name])
  return rows[0]?.password_hash
}

/** Ends all sessions of the user except `keep`, and revokes the calendar address. */
export async function setPassword(
  db: Metadata,
  name: string,
  password: string,
  { keep = null, client }: { keep?: Buffer | null; client?: Client } = {},
): Promise<void> {
  checkPassword(password)
  const hash = await inTurn(client, () => hashPassword(password))
  await db.transaction(async (tx) => {
    const { rowCount } = await tx.query(
      'update metadata.web_user set password_hash = $2, password_set_at = now() where user_name = $1',
      [name, hash],
    )
    if (rowCount === 0) throw noUser(name)
    await endAccess(tx, name, keep)
    await tx.query('delete from metadata.login_attempt where key in ($1, $2)', [`account:${name}`, `password:${name}`])
  })
}

export async function setRole(db: Metadata, name: string, role: Role): Promise<void> {
  await keepingAnAdmin(db, async (tx) => {
    const { rowCount } = await tx.query('update metadata.web_user set role = $2 where user_name = $1', [name, role])
    if (rowCount === 0) throw noUser(name)
  })
}

export async function signOutEverywhere(db: Metadata, name: string): Promise<void> {
  await db.transaction((tx) => endAccess(tx, name))
}

/** Ends all access without the password: the sessions except `keep`, and the calendar address. */
async function endAccess(tx: Metadata, name: string, keep: Buffer | null = null): Promise<void> {
  await endSessions(tx, name, keep)
  await revokeCalendar(tx, name)
}

/** Also deletes the user's sessions and calendar address. */
export async function deleteUser(db: Metadata, name: string): Promise<void> {
  await keepingAnAdmin(db, async (tx) => {
    const { rowCount } = await tx.query('delete from metadata.web_user where user_name = $1', [name])
    if (rowCount === 0) throw noUser(name)
  })
}

/**
 * Creates an admin if there is none. Returns whether it did. Safe when several processes do this at once.
 *
 * Throws a UsageError that names each invalid setting.
 */
export async function ensureAdmin(db: Metadata, name: string, password: string): Promise<boolean> {
  return await db.transaction(async (tx) => {
    await tx.query('lock table metadata.web_user in share row exclusive mode')
    const { rows } = await tx.query(`select from metadata.web_user where role = 'admin' limit 1`)
    if (rows.length > 0) return false
    await checkAdmin(tx, name, password)
    await createUser(tx, name, 'admin', password)
    return true
  })
}

async function checkAdmin(db: Metadata, name: string, password: string): Promise<void> {
  const checks = { ADMIN_USER: () => checkNewName(db, name), ADMIN_PASSWORD: () => checkPassword(password) }
  const problems: string[] = []
  for (const [setting, check] of Object.entries(checks)) {
    try {
      await check()
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      problems.push(`${setting}: ${error.message}`)
    }
  }
  if (problems.length > 0) throw new UsageError(problems.join('\n'))
}

/**
 * Rolls `work` back if there would be users but no admin after it. A site without any users is allowed: its page needs
 * no sign-in.
 */
async function keepingAnAdmin(db: Metadata, work: (tx: Metadata) => Promise<void>): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.query('lock table metadata.web_user in share row exclusive mode')
    await work(tx)
    const { rows } = await tx.query<{ lost: boolean }>(
      `select count(*) > 0 and count(*) filter (where role = 'admin') = 0 as lost from metadata.web_user`,
    )
    if (rows[0]?.lost) throw lastAdmin()
  })
}

function isTaken(name: string): UsageError {
  return new UsageError(`User '${name}' exists already`)
}

function noUser(name: string): UsageError {
  return new UsageError(`Unknown user '${name}'`)
}

function lastAdmin(): TminusError {
  return new UsageError('This is the last admin; make another user an admin first')
}
