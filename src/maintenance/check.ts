import { commandFor } from '../command-for.ts'
import type { Check } from '../commands.ts'
import { encodingProblem } from '../db/encoding.ts'
import type { Database } from '../db/pool.ts'
import { poolerProblem, poolingOf } from '../db/pooler.ts'
import { humanDuration } from '../duration.ts'
import { messageOf } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { pendingMetadata } from './schema.ts'
import { listTables } from './tables.ts'
import { whyNotWritable } from './writes.ts'

/**
 * The most connections of one process. Web: 10 for the pages of dags, 4 for the others. A scheduler also has 4 for the
 * runner, its session and its lease; a worker also has 3 for the jobs and one that listens for them.
 */
const CONNECTIONS = { web: 14, scheduler: 20, worker: 24 }
const OF_EACH = `start or scheduler up to ${CONNECTIONS.scheduler}, worker ${CONNECTIONS.worker}, web ${CONNECTIONS.web}`
const OLDEST_SERVER = 14
const NEWEST_SERVER = 18
const CLOCK_OFF_MS = 1_000
const CLOCK_WRONG_MS = 30_000

/** Checks the server of one address. @param name the setting that the address comes from */
export async function checkServer(db: Database, name: string): Promise<Check[]> {
  const asked = Date.now()
  const { rows } = await db.query<Server>(SERVER)
  const answered = Date.now()
  const [server] = rows
  if (server === undefined) return []
  return [
    {
      name: 'connection',
      level: 'ok',
      message: `${name}: database "${server.database}", answers in ${humanDuration(answered - asked)}`,
    },
    judgeVersion(server),
    judgeEncoding(server),
    judgeClock(server.now.getTime() - (asked + answered) / 2, (answered - asked) / 2),
    judgeConnections(server),
    await checkWrites(db),
  ]
}

/** Checks that the database can write. `checkRights` checks the rights of the role. */
async function checkWrites(db: Database): Promise<Check> {
  const name = 'writes'
  const why = await whyNotWritable(db).catch((error: unknown) => messageOf(error))
  return why === undefined
    ? { name, level: 'ok', message: 'the database can write' }
    : { name, level: 'fail', message: why }
}

/** Checks that the address used for LISTEN and locks supports both. Returns no check if there is no pooler. */
export async function checkPooler(db: Database, setting: string): Promise<Check[]> {
  const name = 'pooler'
  const pooling = await poolingOf(db)
  if (pooling === 'transaction') return [{ name, level: 'warn', message: poolerProblem(setting) }]
  if (pooling === 'session') return [{ name, level: 'ok', message: `${setting} leads to a pooler in session mode` }]
  return setting === 'DIRECT_DATABASE_URL'
    ? [{ name, level: 'ok', message: 'LISTEN and locks use DIRECT_DATABASE_URL, which leads to the server itself' }]
    : []
}

interface Server {
  database: string
  encoding: string
  version: number
  version_text: string
  now: Date
  most: number
  used: number
}

/**
 * `most` is the lowest of three limits: of the server (without connections reserved for superusers), database and role.
 */
const SERVER = `
select current_database() as database, current_setting('server_encoding') as encoding,
  current_setting('server_version_num')::int / 10000 as version,
  current_setting('server_version') as version_text, clock_timestamp() as now,
  least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
      - coalesce(current_setting('reserved_connections', true)::int, 0),
    nullif(d.datconnlimit, -1), nullif(r.rolconnlimit, -1)) as most,
  (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as used
from pg_database d, pg_roles r where d.datname = current_database() and r.rolname = current_user`

function judgeEncoding({ database, encoding }: Server): Check {
  const problem = encodingProblem(database, encoding)
  return { name: 'encoding', level: problem === undefined ? 'ok' : 'fail', message: problem ?? encoding }
}

function judgeVersion({ version, version_text }: Pick<Server, 'version' | 'version_text'>): Check {
  const name = 'version'
  const server = `PostgreSQL ${version_text}`
  if (version < OLDEST_SERVER)
    return { name, level: 'fail', message: `${server} is too old; use ${OLDEST_SERVER} to ${NEWEST_SERVER}` }
  if (version > NEWEST_SERVER)
    return { name, level: 'warn', message: `${server} is newer than the tested versions; ${NEWEST_SERVER} is safe` }
  return { name, level: 'ok', message: server }
}

/** @param aheadMs how far the database's clock is ahead of this process's, within `unsureMs` */
function judgeClock(aheadMs: number, unsureMs: number): Check {
  const off = Math.max(0, Math.abs(aheadMs) - unsureMs)
  const name = 'clock'
  const difference = `the database is ${humanDuration(off)} ${aheadMs > 0 ? 'ahead of' : 'behind'} this process`
  if (off <= CLOCK_OFF_MS) return { name, level: 'ok', message: `${humanDuration(off)} apart` }
  const level = off <= CLOCK_WRONG_MS ? 'warn' : 'fail'
  return { name, level, message: `${difference}; set both clocks by NTP` }
}

function judgeConnections({ most, used }: Pick<Server, 'most' | 'used'>): Check {
  const free = Math.max(0, most - used)
  const name = 'connections'
  const message = `${free} of ${most} free; each process uses: ${OF_EACH}`
  if (free >= CONNECTIONS.scheduler) return { name, level: 'ok', message }
  return {
    name,
    level: free <= 1 ? 'fail' : 'warn',
    message: `${message}; end other sessions or raise max_connections`,
  }
}

/** Checks the migrations. `usable` is true if the runner's tables are up to date. */
export async function checkMigrations(db: Metadata): Promise<{ check: Check; usable: boolean }> {
  const { pool, schema } = db
  const name = 'migrations'
  try {
    const pending = await pendingMetadata(pool, schema)
    const tables = (await listTables(db)).map(({ table }) => table)
    if (tables.length > 0 && !tables.includes('schema_migration')) {
      const message = `schema "${schema}" holds another application's tables (${tables.slice(0, 3).join(', ')}); set METADATA_SCHEMA to another`
      return { check: { name, level: 'fail', message }, usable: false }
    }
    if (pending.length === 0)
      return { check: { name, level: 'ok', message: `schema "${schema}" is up to date` }, usable: true }
    const message = `schema "${schema}" lacks ${pending.join(', ')}; run ${commandFor('db migrate')}`
    return { check: { name, level: 'fail', message }, usable: false }
  } catch (error) {
    return { check: { name, level: 'fail', message: messageOf(error) }, usable: false }
  }
}
