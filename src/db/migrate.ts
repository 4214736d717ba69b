import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import format from 'pg-format'
import { TminusError } from '../errors.ts'
import { minorsAhead } from '../version.ts'
import { encodingProblem } from './encoding.ts'
import type { Connection, Database, Queryable } from './pool.ts'
import { inTransaction } from './transaction.ts'

export interface MigrationSet {
  /** The folder of `0001_name.sql`, `0002_name.sql`, … They are applied in that order, each in its own transaction. */
  directory: URL
  /**
   * The schema in which the files create their tables. The files themselves name no schema. Created if missing.
   * Default: the connection's own.
   */
  schema?: string
  /** The table, in that schema, that records the applied files. */
  historyTable: string
  /**
   * True if the schema is for these files only. Then a schema with tables but no history belongs to another
   * application.
   */
  exclusive?: boolean
  /**
   * The version of the code that these files belong to, such as `1.2.0`; recorded with each applied file. If it is set,
   * a database that the next minor version has migrated is accepted. So both versions can run during an upgrade.
   */
  version?: string
}

export interface Migrated {
  /** Names of the files that this call applied. */
  applied: string[]
  /** The number of the newest applied file. */
  version: number
}

interface MigrationFile {
  version: number
  name: string
  sql: string
  checksum: string
}

interface HistoryRow {
  version: number
  name: string
  checksum: string
  /** The `version` of the set that applied it; null: unknown. */
  applied_by: string | null
}

/**
 * While a migration waits for a lock of a table, for example during a backup, all statements of the running processes on
 * that table wait behind it. So each wait is short, and is repeated for about 10 minutes.
 */
const LOCK = { waitMs: 2_000, pauseMs: 3_000, tries: 120 }
const LOCK_NOT_AVAILABLE = '55P03'

/**
 * Applies the missing files under an advisory lock, so any number of processes may call it at once.
 *
 * Throws TminusError and changes nothing if an applied file was edited (`migration_edited`), if the database is newer
 * than the files (`migration_unknown`), if the schema belongs to another application (`schema_foreign`), or if the
 * database is not in UTF8 (`database_encoding`).
 */
export async function migrate(db: Database, set: MigrationSet): Promise<Migrated> {
  const files = await readMigrations(set.directory)
  await refuseEncoding(db)
  const schema = set.schema ?? (await currentSchema(db))
  const applied: string[] = []
  for (;;) {
    const file = await whenUnlocked(() =>
      inTransaction(db, (connection) => applyNext(connection, { ...set, schema }, files)),
    )
    if (file === undefined) return { applied, version: files.at(-1)?.version ?? 0 }
    applied.push(file.name)
  }
}

/** Names of the files that `migrate` would apply. Changes nothing. Throws the same errors as `migrate`. */
export async function pendingMigrations(db: Queryable, set: MigrationSet): Promise<string[]> {
  const files = await readMigrations(set.directory)
  const schema = set.schema ?? (await currentSchema(db))
  const history = await readHistory(db, { ...set, schema })
  return unapplied(files, history, { ...set, schema }).map((file) => file.name)
}

/** Repeats `apply` while another session locks a table that it changes. */
async function whenUnlocked<T>(apply: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await apply()
    } catch (error) {
      if (!isLockTimeout(error) || tries === LOCK.tries) throw error
      await delay(LOCK.pauseMs)
    }
  }
}

function isLockTimeout(error: unknown): boolean {
  const { code, cause } = error as { code?: string; cause?: { code?: string } }
  return code === LOCK_NOT_AVAILABLE || cause?.code === LOCK_NOT_AVAILABLE
}

async function readMigrations(directory: URL): Promise<MigrationFile[]> {
  const folder = fileURLToPath(directory)
  const names = (await readdir(folder)).filter((name) => /^\d{4}_.+\.sql$/.test(name)).sort()
  const twin = names.findIndex((name, index) => name.slice(0, 4) === names[index + 1]?.slice(0, 4))
  if (twin >= 0) {
    throw new TminusError(
      `Migrations ${names[twin]} and ${names[twin + 1]} have the same number; give the newer one the next number`,
      { code: 'migration_twin', retryable: false },
    )
  }
  return await Promise.all(
    names.map(async (name) => {
      const sql = normalise(await readFile(join(folder, name), 'utf8'))
      const checksum = createHash('sha256').update(sql).digest('hex')
      return { version: Number(name.slice(0, 4)), name, sql, checksum }
    }),
  )
}

/** A byte order mark or CRLF line ends do not count as an edit. */
function normalise(sql: string): string {
  return sql.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n')
}

async function refuseEncoding(db: Queryable): Promise<void> {
  const { rows } = await db.query<{ database: string; encoding: string }>(
    `select current_database() as database, current_setting('server_encoding') as encoding`,
  )
  const [{ database, encoding } = { database: '', encoding: '' }] = rows
  const problem = encodingProblem(database, encoding)
  if (problem !== undefined)
    throw new TminusError(problem, { code: 'database_encoding', retryable: false, fields: { database, encoding } })
}

async function currentSchema(db: Queryable): Promise<string> {
  const { rows } = await db.query<{ schema: string | null }>('select current_schema() as schema')
  const schema = rows[0]?.schema
  if (schema) return schema
  throw new TminusError(
    'The search_path of this database and user names no existing schema; create that schema, or set another: ALTER DATABASE … SET search_path = public',
    { code: 'no_schema', retryable: false },
  )
}

type PlacedSet = MigrationSet & { schema: string }

/** Applies one file. The lock belongs to the transaction, so a process that dies releases it. */
async function applyNext(
  connection: Connection,
  set: PlacedSet,
  files: MigrationFile[],
): Promise<MigrationFile | undefined> {
  // A time limit for ordinary statements must not cancel a long migration, or the wait for another process.
  await connection.query('set local statement_timeout = 0; set local lock_timeout = 0')
  await connection.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [
    `tminus migrate ${set.schema}.${set.historyTable}`,
  ])
  await connection.query(format('set local lock_timeout = %L', LOCK.waitMs))
  const history = await readHistory(connection, set)
  const [file] = unapplied(files, history, set)
  if (file === undefined) return undefined
  if (history.length === 0) await begin(connection, set)
  await connection.query(
    format('alter table %I.%I add column if not exists applied_by text', set.schema, set.historyTable),
  )
  await connection.query(format('set local search_path to %I', set.schema))
  await connection.query(file.sql).catch((cause: Error) => {
    const why = isLockTimeout(cause)
      ? 'another session, such as a backup, locks a table; try again after it has ended'
      : cause.message
    throw new TminusError(`Migration ${file.name} failed and was rolled back: ${why}`, {
      code: 'migration_failed',
      retryable: false,
      cause,
      fields: { schema: set.schema, migration: file.name },
    })
  })
  await connection.query(
    format(
      'insert into %I.%I (version, name, checksum, applied_by) values ($1, $2, $3, $4)',
      set.schema,
      set.historyTable,
    ),
    [file.version, file.name, file.checksum, set.version],
  )
  return file
}

async function readHistory(db: Queryable, set: PlacedSet): Promise<HistoryRow[]> {
  const { rows } = await db.query<{ known: boolean }>(
    `select exists (select from pg_attribute where attrelid = to_regclass($1) and attname = 'checksum') as known`,
    [format('%I.%I', set.schema, set.historyTable)],
  )
  if (!rows[0]?.known) return []
  const history = await db.query<HistoryRow>(
    format(
      `select version, name, checksum, to_jsonb(h) ->> 'applied_by' as applied_by from %I.%I h order by version`,
      set.schema,
      set.historyTable,
    ),
  )
  return history.rows
}

function unapplied(files: MigrationFile[], history: HistoryRow[], set: PlacedSet): MigrationFile[] {
  const applied = new Set(history.map((row) => row.version))
  const missing = files.filter((file) => !applied.has(file.version))
  for (const row of history) {
    const file = files.find((candidate) => candidate.version === row.version)
    if (file === undefined && (missing.length > 0 || !isAccepted(row, set))) throw unknownMigration(row, set)
    if (file !== undefined && file.checksum !== row.checksum) {
      throw new TminusError(
        `Migration ${row.name} was edited after it was applied to schema "${set.schema}"; restore the file and put the change in a new one`,
        { code: 'migration_edited', retryable: false, fields: { schema: set.schema, migration: row.name } },
      )
    }
  }
  return missing
}

/** The files of the next minor version keep what this version needs. */
function isAccepted({ applied_by }: HistoryRow, { version }: PlacedSet): boolean {
  return version !== undefined && applied_by !== null && minorsAhead(applied_by, version) <= 1
}

function unknownMigration({ name, applied_by }: HistoryRow, { schema, version }: PlacedSet): TminusError {
  const by = applied_by === null || applied_by === version ? 'a newer version' : `version ${applied_by}`
  return new TminusError(
    `Schema "${schema}" was migrated by ${by} (${name} is unknown here); run that version or a newer one`,
    { code: 'migration_unknown', retryable: false, fields: { schema, migration: name } },
  )
}

/** Prepares a schema without a history: rejects another application's schema, else creates schema and history. */
async function begin(connection: Connection, set: PlacedSet): Promise<void> {
  const { rows } = await connection.query<{ name: string }>(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'f') and (c.relname = $2 or $3)
     order by c.relname limit 3`,
    [set.schema, set.historyTable, set.exclusive ?? false],
  )
  if (rows.length > 0) throw foreignSchema(set.schema, rows.map((row) => row.name).join(', '))
  const schema = await connection.query('select from pg_namespace where nspname = $1', [set.schema])
  if (schema.rowCount === 0) await connection.query(format('create schema %I', set.schema))
  await connection.query(
    format(
      `create table %I.%I (
         version int primary key,
         name text not null,
         checksum text not null,
         applied_at timestamptz not null default now()
       )`,
      set.schema,
      set.historyTable,
    ),
  )
}

function foreignSchema(schema: string, tables: string): TminusError {
  return new TminusError(
    `Schema "${schema}" holds another application's tables (${tables}); choose another schema or database`,
    { code: 'schema_foreign', retryable: false, fields: { schema, tables } },
  )
}
