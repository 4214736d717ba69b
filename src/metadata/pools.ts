import type { Metadata } from './metadata.ts'
import { HANDED_OVER, type TryKey } from './task-instances.ts'

/** A try, and the pools in each of which it needs a slot to start. */
export interface SlotWanted extends TryKey {
  pools: readonly string[]
}

/**
 * Acquires slots for as many of these tries as possible, in this order, but for at most `most` tries. Returns the tries
 * that got all their slots. The rows of the pools are locked in a fixed order, so that processes neither overbook nor
 * deadlock. A process that was declared dead gets no slots, because no process would free them.
 */
export async function takeSlots<W extends SlotWanted>(
  db: Metadata,
  jobId: number,
  wanted: readonly W[],
  most: number,
): Promise<W[]> {
  const names = [...new Set(wanted.flatMap(({ pools }) => pools))].sort()
  return await db.transaction(async (tx) => {
    const alive = `select from metadata.job where job_id = $1 and state = 'running' for share`
    if ((await tx.query(alive, [jobId])).rowCount === 0) return []
    await tx.query('select from metadata.pool where pool = any($1::text[]) order by pool for no key update', [names])
    // A try that asks for slots is not running. If it holds a slot, the answer to an earlier transaction was lost.
    await freeSlots(tx, wanted)
    const { rows } = await tx.query<{ pool: string; free: number }>(
      `select p.pool, p.slots - (select count(*)::int from metadata.pool_slot s where s.pool = p.pool) as free
       from metadata.pool p where p.pool = any($1::text[])`,
      [names],
    )
    const free = new Map(rows.map((row) => [row.pool, row.free]))
    const taken: W[] = []
    for (const one of wanted) {
      if (taken.length === most || one.pools.some((pool) => (free.get(pool) ?? 0) <= 0)) continue
      taken.push(one)
      for (const pool of one.pools) free.set(pool, (free.get(pool) ?? 0) - 1)
    }
    const slots = taken.map(({ pools, dagRunId, taskId, tryNumber }) => ({ pools, dagRunId, taskId, tryNumber }))
    await tx.query(
      `insert into metadata.pool_slot (pool, dag_run_id, task_id, try_number, job_id)
       select unnest(pools), "dagRunId", "taskId", "tryNumber", $2
       from jsonb_to_recordset($1) as s (pools text[], "dagRunId" bigint, "taskId" text, "tryNumber" int)
       on conflict do nothing`,
      [JSON.stringify(slots), jobId],
    )
    return taken
  })
}

/**
 * Matches a slot `s` unless a worker has claimed its try. The claim gives the slots to the worker, because only the
 * worker knows when the code of the try has ended. Then it frees them.
 */
export const UNCLAIMED = `not exists (select from metadata.job w where w.job_id = s.job_id and w.kind = 'worker')`

/** Frees the slots of tries that have ended or did not start, unless workers have claimed them or may claim them. */
export async function freeSlots(db: Metadata, slots: readonly TryKey[]): Promise<void> {
  await db.query(
    `with freed as (
       delete from metadata.pool_slot s using unnest($1::bigint[], $2::text[], $3::int[]) as w (dag_run_id, task_id, try)
       where s.dag_run_id = w.dag_run_id and s.task_id = w.task_id and s.try_number = w.try
         and ${UNCLAIMED} and not exists (select from metadata.task_instance t where t.dag_run_id = w.dag_run_id
           and t.task_id = w.task_id and t.try_number = w.try and ${HANDED_OVER}) returning 1
     ) select pg_notify($4, 'slot') from freed`,
    [slots.map((one) => one.dagRunId), slots.map((one) => one.taskId), slots.map((one) => one.tryNumber), db.channel],
  )
}
