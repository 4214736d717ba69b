import { type TminusError, UsageError } from '../../errors.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import type { Role } from '../site.ts'
import { withdrawCalendar } from './calendar-tokens.ts'
import { checkPassword, hashPassword } from './password.ts'
import { endSessions, IS_OPEN } from './sessions.ts'
import { type Asker, inTurn } from './turns.ts'

export interface UserRow {
  user_name: string
  role: Role
  created_at: Date
  /** Of the newest session; null where there is none. */
  seen_at: Date | null
  /** That are open. */
  sessions: number
  /** Whether there is a calendar address. */
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

/** Throws UsageError for a name that is taken or cannot be one, and for a password that is too short. */
export async function createUser(
  db: Metadata,
  name: string,
  role: Role,
  password: string,
  asker?: Asker,
): Promise<void> {
  await checkNewName(db, name)
  checkPassword(password)
  const { rowCount } = await db.query(
    `insert into metadata.web_user (user_name, role, password_hash) values ($1, $2, $3) on conflict do nothing`,
    [name, role, await inTurn(asker, () => hashPassword(password))],
  )
  if (rowCount === 0) throw isTaken(name)
}

/** Before a password is asked for. Throws UsageError for a name that is taken or cannot be one. */
export async function checkNewName(db: Metadata, name: string): Promise<void> {
  if (!/^[A-Za-z0-9_.@-]{1,100}$/.test(name))
    throw new UsageError("A user's name has 1 to 100 letters, digits, '-', '_', '.' and '@'")
  if (await isUser(db, name)) throw isTaken(name)
}

/** Before a password is asked for. Throws UsageError where there is no such user. */
export async function checkUser(db: Metadata, name: string): Promise<void> {
  if (!(await isUser(db, name))) throw noUser(name)
}

async function isUser(db: Metadata, name: string): Promise<boolean> {
  const { rows } = await db.query('select from metadata.web_user where user_name = $1', [name])
  return rows.length > 0
}

/** Signs the user out everywhere but in the session that is kept, and withdraws the calendar address. */
export async function setPassword(
  db: Metadata,
  name: string,
  password: string,
  { keep = null, asker }: { keep?: Buffer | null; asker?: Asker } = {},
): Promise<void> {
  checkPassword(password)
  const hash = await inTurn(asker, () => hashPassword(password))
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

/** Ends whatever opens anything without the password: every session but the one that is kept, and the calendar address. */
async function endAccess(tx: Metadata, name: string, keep: Buffer | null = null): Promise<void> {
  await endSessions(tx, name, keep)
  await withdrawCalendar(tx, name)
}

/** Their sessions and their calendar address go with them. */
export async function deleteUser(db: Metadata, name: string): Promise<void> {
  await keepingAnAdmin(db, async (tx) => {
    const { rowCount } = await tx.query('delete from metadata.web_user where user_name = $1', [name])
    if (rowCount === 0) throw noUser(name)
  })
}

/**
 * Makes the first admin where there is none; true where it did. Several processes may do this at once.
 *
 * Throws UsageError that names each wrong setting.
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

/** Among users there is always one who may change them; without any the page is open to this machine again. */
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
  return new UsageError(`There is a user '${name}' already`)
}

function noUser(name: string): UsageError {
  return new UsageError(`There is no user '${name}'`)
}

function lastAdmin(): TminusError {
  return new UsageError('That would leave no admin; make another one first')
}
