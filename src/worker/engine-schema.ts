import type { PoolClient } from 'pg'
import type { Database, Queryable } from '../db/pool.ts'
import { inTransaction } from '../db/transaction.ts'
import { TminusError, UsageError } from '../errors.ts'
import { withoutMigrationNotices } from './engine-connection.ts'

const PACKAGE = 'graphile-worker@0.17.3'
/** The number of its newest migration. */
const REVISION = 19

/** Imported only for EXECUTOR=distributed. Throws UsageError if the optional package is not installed. */
export async function loadEngine(): Promise<typeof import('graphile-worker')> {
  return await import('graphile-worker').catch((error: unknown) => {
    if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new UsageError(
      `EXECUTOR=distributed needs a package that is not installed; run npm install ${PACKAGE}, or set EXECUTOR=local`,
      { code: 'engine_missing', cause: error },
    )
  })
}

/**
 * Creates or updates graphile-worker's tables in this schema, for the runner's tables in schema `of`. The pool needs
 * two connections: one holds the lock, because several processes that migrate at once would fail.
 *
 * Throws TminusError if the schema belongs to another application or runner (`engine_foreign`), to a newer
 * graphile-worker (`engine_newer`), or to another role (`engine_role`).
 */
export async function migrateEngine(pool: Database, schema: string, of: string): Promise<void> {
  const { Logger, runMigrations } = await loadEngine()
  const silent = new Logger(() => () => {})
  // The engine prints a warning unless the pool has a listener.
  pool.on('connect', (client) => client.on('error', () => {}))
  await inTransaction(pool, async (connection) => {
    await connection.query('set local statement_timeout = 0; set local lock_timeout = 0')
    await connection.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`tminus migrate ${schema}`])
    if ((await refuse(connection, schema, of)) === undefined) return
    await nameSchema(pool, schema, of)
    await runMigrations({ pgPool: lending(pool), schema, logger: silent })
    await refuse(connection, schema, of)
  })
}

/** Creates the schema only if it is missing, because a role that may not create schemas may still own this schema. */
async function nameSchema(db: Queryable, schema: string, of: string): Promise<void> {
  const { rows } = await db.query('select from pg_namespace where nspname = $1', [schema])
  const create = rows.length === 0 ? `create schema "${schema}";` : ''
  await db.query(`${create} comment on schema "${schema}" is '${commentOf(of)}'`)
}

/** Names the schema of the runner's tables: two runners in one database must not take each other's jobs. */
function commentOf(metadataSchema: string): string {
  return `graphile-worker of T-minus, for schema ${metadataSchema}`
}

async function refuse(db: Queryable, schema: string, of: string): Promise<EngineProblem | undefined> {
  const problem = await engineProblem(db, schema, of)
  if (!problem?.isFatal) return problem
  const message = problem.message.replace(/^./, (first) => first.toUpperCase())
  throw new TminusError(message, { code: problem.code, retryable: false })
}

function lending(pool: Database): Database {
  const connect = async (): Promise<PoolClient> => withoutMigrationNotices(await pool.connect())
  return new Proxy(pool, {
    get: (target, name) => {
      const value = name === 'connect' ? connect : Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

export interface EngineProblem {
  code: 'engine_foreign' | 'engine_newer' | 'engine_role' | 'engine_old'
  /** False if a migration corrects the problem, or if the problem may be harmless. */
  isFatal: boolean
  message: string
}

/**
 * Returns the problem that this role has with graphile-worker's tables in this schema, or undefined.
 *
 * @param of the schema of the runner's tables
 */
export async function engineProblem(db: Queryable, schema: string, of: string): Promise<EngineProblem | undefined> {
  const { rows } = await db.query<Found>(FIND, [schema])
  const { tables = [], comment = null, owner = '', role = '', isHidden = false } = rows[0] ?? {}
  if (tables.length > 0 && comment !== commentOf(of))
    return {
      code: 'engine_foreign',
      isFatal: true,
      message: `schema "${schema}" holds tables of another ${comment?.startsWith(commentOf('')) ? 'T-minus' : 'application'} (${tables.slice(0, 3).join(', ')}); set WORKER_SCHEMA to another`,
    }
  if (isHidden)
    return {
      code: 'engine_role',
      isFatal: true,
      message: `role ${role} sees no jobs in schema "${schema}", because its tables belong to ${owner}; use one role for all processes`,
    }
  const { revision, breaking } = tables.includes('migrations') ? await readRevision(db, schema) : NONE
  if (revision < REVISION)
    return {
      code: 'engine_old',
      isFatal: false,
      message: `schema "${schema}" ${revision === 0 ? "lacks graphile-worker's tables" : `is at revision ${revision} of ${REVISION}`}`,
    }
  if (revision === REVISION) return undefined
  const newer = `schema "${schema}" is at revision ${revision} of a graphile-worker newer than ${PACKAGE}`
  return {
    code: 'engine_newer',
    isFatal: breaking > REVISION,
    message: `${newer}; update T-minus, or set WORKER_SCHEMA to another schema`,
  }
}

interface Found {
  tables: string[]
  /** Of the schema. */
  comment: string | null
  owner: string | null
  role: string
  /** Row level security hides all rows from this role. */
  isHidden: boolean | null
}

const FIND = `
select coalesce(array_agg(relname::text order by relname), '{}') as tables, quote_ident(current_user) as role,
  obj_description(to_regnamespace(quote_ident($1))::oid, 'pg_namespace') as comment,
  max(quote_ident(pg_get_userbyid(relowner))) filter (where relname = '_private_jobs') as owner,
  bool_or(row_security_active(oid)) as "isHidden"
from pg_class where relnamespace = to_regnamespace(quote_ident($1)) and relkind in ('r', 'p')`

const NONE = { revision: 0, breaking: 0 }

async function readRevision(db: Queryable, schema: string): Promise<typeof NONE> {
  const { rows } = await db.query<typeof NONE>(
    `select coalesce(max(id), 0) as revision, coalesce(max(id) filter (where breaking), 0) as breaking
     from "${schema}".migrations`,
  )
  return rows[0] ?? NONE
}
