import type { Metadata } from '../metadata/metadata.ts'
import { countUnfinished, totals } from '../operations/run-counts.ts'
import { pendingMetadata } from './schema.ts'
import { listTables, type TableSize } from './tables.ts'

export interface Status {
  /** `PostgreSQL 17.10` */
  server: string
  database: string
  schema: string
  /** Size of the whole database. */
  bytes: number
  /** Names of the files of sql/metadata. */
  migrations: { applied: string[]; pending: string[] }
  tables: TableSize[]
  /** Null if the tables are not up to date. */
  runs: Runs | null
}

export interface Runs {
  queued: number
  running: number
  /** When the oldest stored run was queued. */
  oldest: Date | null
}

/** Reads versions, migrations, table sizes and counts of runs. */
export async function readStatus(db: Metadata): Promise<Status> {
  const { rows } = await db.pool.query<Pick<Status, 'server' | 'database' | 'bytes'>>(
    `select 'PostgreSQL ' || current_setting('server_version') as server, current_database() as database,
       pg_database_size(current_database()) as bytes`,
  )
  const { server = '', database = '', bytes = 0 } = rows[0] ?? {}
  const pending = await pendingMetadata(db.pool, db.schema)
  const tables = (await listTables(db)).filter(({ bytes: own }) => own > 0)
  const isKnown = tables.some(({ table }) => table === 'schema_migration')
  const applied = isKnown ? await readApplied(db) : []
  const runs = isKnown && pending.length === 0 ? await readRuns(db) : null
  return { server, database, schema: db.schema, bytes, migrations: { applied, pending }, tables, runs }
}

async function readApplied(db: Metadata): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>('select name from metadata.schema_migration order by version')
  return rows.map(({ name }) => name)
}

async function readRuns(db: Metadata): Promise<Runs> {
  const { queued, running } = totals(await countUnfinished(db))
  // Fast: reads the first entry of the primary key.
  const { rows } = await db.query<{ queued_at: Date }>(
    'select queued_at from metadata.dag_run order by dag_run_id limit 1',
  )
  return { queued, running, oldest: rows[0]?.queued_at ?? null }
}
