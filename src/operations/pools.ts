import { commandFor } from '../command-for.ts'
import type { Dag } from '../dag/dag.ts'
import { MOST, storableText } from '../db/text.ts'
import { UsageError } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'

export interface PoolListing {
  pool: string
  slots: number
  used: number
  description: string
}

export async function listPools(db: Metadata): Promise<PoolListing[]> {
  const { rows } = await db.query<PoolListing>(
    `select p.pool, p.slots, (select count(*)::int from metadata.pool_slot s where s.pool = p.pool) as used, p.description
     from metadata.pool p order by p.pool`,
  )
  return rows
}

/** Throws UsageError if a task of the dag uses a pool that does not exist, because it would wait for ever. */
export async function refuseMissingPools(db: Metadata, dag: Dag): Promise<void> {
  const wanted = poolsOf(dag)
  if (wanted.length === 0) return
  const known = new Set((await listPools(db)).map(({ pool }) => pool))
  const missing = wanted.find((pool) => !known.has(pool))
  if (missing === undefined) return
  throw new UsageError(
    `Dag '${dag.id}' needs the pool '${missing}', which does not exist; create it: ${commandFor(`pools set ${missing} 1`)}`,
  )
}

/** The pools that the dag's tasks use. */
export function poolsOf(dag: Dag): string[] {
  return [...new Set([...dag.tasks.values()].flatMap(({ pool }) => pool ?? []))]
}

/** Reads the size of a pool from text. Throws UsageError for a wrong size, and for a wrong name of the pool. */
export function parseSlots(pool: string, slots: string): number {
  if (!/^\d{1,6}$/.test(slots)) throw new UsageError('Slots must be a whole number from 0')
  if (!/^[A-Za-z0-9_.-]{1,250}$/.test(pool))
    throw new UsageError("A pool's name may have letters, digits, '-', '_' and '.'")
  return Number(slots)
}

/** Creates a pool or changes its size, and notifies the processes that wait for slots. */
export async function setPool(db: Metadata, pool: string, slots: number, description: string | null): Promise<void> {
  await db.query(
    `with p as (
       insert into metadata.pool as p (pool, slots, description) values ($1, $2, coalesce($3, ''))
       on conflict (pool) do update set slots = excluded.slots, description = coalesce($3, p.description)
       returning 1
     ) select pg_notify($4, 'slot') from p`,
    [pool, slots, description && storableText(description, MOST.description), db.channel],
  )
}
