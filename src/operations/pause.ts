import type { Metadata } from '../metadata/metadata.ts'

/**
 * Pauses or unpauses a dag, even a dag that never ran. Unpausing skips the ticks before `now` (the caller's clock),
 * even if the dag has `catchup`, and the successes of dags that it follows.
 */
export async function setPaused(db: Metadata, dagId: string, paused: boolean, now: Date): Promise<void> {
  await db.query(
    `with kept as (
       update metadata.dag_schedule set since = greatest(since, $3) where dag_id = $1 and not $2
       and exists (select from metadata.dag d where d.dag_id = $1 and d.is_paused)
     ), missed as (
       update metadata.dag_after set since = now() where dag_id = $1 and not $2
       and exists (select from metadata.dag d where d.dag_id = $1 and d.is_paused))
     insert into metadata.dag (dag_id, is_paused) values ($1, $2)
     on conflict (dag_id) do update set is_paused = excluded.is_paused`,
    [dagId, paused, now],
  )
}
