import format from 'pg-format'
import { TminusError } from '../errors.ts'
import { findDeadJobs } from '../metadata/jobs.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { listTables, TABLES, type TableSize } from './tables.ts'

/**
 * Drops the runner's schema with all it holds; returns its tables, none where there was no schema. Throws TminusError,
 * and drops nothing, where a process is alive or where the schema holds other tables too.
 */
export async function reset(db: Metadata): Promise<TableSize[]> {
  const tables = await listTables(db)
  const others = tables.filter(({ table }) => !TABLES.has(table)).map(({ table }) => table)
  if (others.length > 0) throw holdsOthers(db.schema, others)
  if (!tables.some(({ table }) => table === 'job')) return []
  await db.transaction(async (tx) => {
    // Whoever starts now waits for this to end, and then makes its tables anew.
    await tx.query('lock table metadata.job in access exclusive mode')
    const dead = (await findDeadJobs(tx, 0)).map(({ job_id }) => job_id)
    const { rows } = await tx.query<{ kind: string; pid: number; hostname: string }>(
      `select kind, pid, hostname from metadata.job where state = 'running' and job_id <> all($1::bigint[])`,
      [dead],
    )
    if (rows.length > 0)
      throw stillAlive(rows.map(({ kind, pid, hostname }) => `${kind} (process ${pid} on ${hostname})`))
    await tx.query(format('drop schema %I cascade', db.schema))
  })
  return tables.filter(({ bytes }) => bytes > 0)
}

function holdsOthers(schema: string, others: readonly string[]): TminusError {
  return new TminusError(
    `Schema "${schema}" also holds ${others.join(', ')}, which T-minus did not make; move or drop that first`,
    { code: 'schema_shared', retryable: false },
  )
}

function stillAlive(names: readonly string[]): TminusError {
  return new TminusError(`Stop ${names.join(', ')} first: nothing was dropped`, {
    code: 'jobs_alive',
    retryable: false,
  })
}
