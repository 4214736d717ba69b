import format from 'pg-format'
import { TminusError } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { findDeadJobs, type JobKind } from '../processes/jobs.ts'
import { engineProblem } from '../worker/engine-schema.ts'
import { nameOf } from './alive.ts'
import { listTables, TABLES, type TableSize } from './tables.ts'

/**
 * Drops the runner's schema with all its tables. Also drops `engineSchema` if it contains the runner's graphile-worker.
 * Returns the runner's tables; empty if there was no schema. Throws TminusError and drops nothing if a process is alive
 * or the schema contains other tables.
 */
export async function reset(db: Metadata, engineSchema: string): Promise<TableSize[]> {
  const tables = await listTables(db)
  const others = tables.filter(({ table }) => !TABLES.has(table)).map(({ table }) => table)
  if (others.length > 0) throw holdsOthers(db.schema, others)
  if (!tables.some(({ table }) => table === 'job')) return []
  await db.transaction(async (tx) => {
    // A process that starts now waits for this transaction, then creates its tables again.
    await tx.query('lock table metadata.job in access exclusive mode')
    const dead = (await findDeadJobs(tx, 0)).map(({ job_id }) => job_id)
    const { rows } = await tx.query<{ kind: JobKind; pid: number; hostname: string }>(
      `select kind, pid, hostname from metadata.job where state = 'running' and job_id <> all($1::bigint[])`,
      [dead],
    )
    if (rows.length > 0) throw stillAlive(rows.map(nameOf))
    const problem = await engineProblem(tx, engineSchema, db.schema)
    if (problem === undefined || problem.code === 'engine_newer')
      await tx.query(format('drop schema if exists %I cascade', engineSchema))
    await tx.query(format('drop schema %I cascade', db.schema))
  })
  return tables.filter(({ bytes }) => bytes > 0)
}

function holdsOthers(schema: string, others: readonly string[]): TminusError {
  return new TminusError(
    `Schema "${schema}" also contains ${others.join(', ')}, which T-minus did not create; move or drop that first`,
    { code: 'schema_shared', retryable: false },
  )
}

function stillAlive(names: readonly string[]): TminusError {
  return new TminusError(`Stop ${names.join(', ')} first: nothing was dropped`, {
    code: 'jobs_alive',
    retryable: false,
  })
}
