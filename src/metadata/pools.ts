import type { Metadata } from './metadata.ts'

export interface SlotWanted {
  dagRunId: number
  taskId: string
  pools: readonly string[]
}

/**
 * Takes slots for as many of the wanted as there is room, in their order, `most` at most; returns those that got all
 * they need. The pools' rows are locked in one order, so two processes neither overbook nor deadlock. A process that
 * was taken for dead gets none, since nobody would free them.
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
    // What asks does not run: a slot it holds was taken by a transaction whose answer was lost.
    await freeSlots(tx, wanted)
    const { rows } = await tx.query<{ pool: string; free: number }>(
      `select p.pool, p.slots - (select count(*)::int from metadata.pool_slot s where s.pool = p.pool) as free
       from metadata.pool p where p.pool = any($1::text[])`,
      [names],
    )
    const free = new Map(rows.map((row) => [row.pool, row.free]))
    const slots: (Omit<SlotWanted, 'pools'> & { pool: string })[] = []
    const taken: W[] = []
    for (const one of wanted) {
      if (taken.length === most || one.pools.some((pool) => (free.get(pool) ?? 0) <= 0)) continue
      taken.push(one)
      for (const pool of one.pools) {
        free.set(pool, (free.get(pool) ?? 0) - 1)
        slots.push({ pool, dagRunId: one.dagRunId, taskId: one.taskId })
      }
    }
    await tx.query(
      `insert into metadata.pool_slot (pool, dag_run_id, task_id, job_id)
       select pool, "dagRunId", "taskId", $2 from jsonb_to_recordset($1) as s (pool text, "dagRunId" bigint, "taskId" text)
       on conflict do nothing`,
      [JSON.stringify(slots), jobId],
    )
    return taken
  })
}

/** Gives back slots that were taken for what then did not start. */
export async function freeSlots(db: Metadata, slots: readonly { dagRunId: number; taskId: string }[]): Promise<void> {
  await db.query(
    `with freed as (
       delete from metadata.pool_slot using unnest($1::bigint[], $2::text[]) as s (dag_run_id, task_id)
       where pool_slot.dag_run_id = s.dag_run_id and pool_slot.task_id = s.task_id returning 1
     ) select pg_notify($3, 'slot') from freed`,
    [slots.map((slot) => slot.dagRunId), slots.map((slot) => slot.taskId), db.channel],
  )
}
