import type { Metadata } from '../metadata/metadata.ts'
import type { RunEnd } from './events.ts'

/**
 * Claims the callback for one end of a run. The first caller gets the failed tasks and `recovered`: whether the
 * previous run of the dag failed. Later callers get undefined.
 *
 * A run that was cleared or marked ends a second time. The second end counts as new if a task has started since the
 * last call, or if the run ended in the other state in between. If a failed run was marked and fails again, no callback
 * is called. `called_at` is the time at which the run ended. If the run was resumed before the claim, there is no such
 * time. The callback is then claimed at the next end of the run.
 */
export async function claimCallback(db: Metadata, dagRunId: number, kind: 'failure' | 'success') {
  const { rows } = await db.query<Pick<RunEnd, 'failed' | 'recovered'>>(
    `with called as (
       insert into metadata.callback as c (dag_run_id, kind, called_at)
       select dag_run_id, $2, ended_at from metadata.dag_run
       where dag_run_id = $1 and state = case $2 when 'failure' then 'failed' else 'success' end
       on conflict (dag_run_id, kind) do update set called_at = excluded.called_at
       where exists (select from metadata.task_instance t where t.dag_run_id = $1 and t.started_at > c.called_at)
         or exists (select from metadata.callback o where o.dag_run_id = $1 and o.called_at > c.called_at)
       returning dag_run_id
     )
     select (
       select coalesce(jsonb_agg(jsonb_build_object('taskId', task_id, 'tryNumber', try_number, 'reason', coalesce(reason, ''))
         order by ended_at, task_id), '[]')
       from metadata.task_instance where dag_run_id = $1 and state = 'failed') as failed,
     $2 = 'success' and coalesce((
       select p.state = 'failed' from metadata.dag_run p
       where p.dag_id = r.dag_id and p.dag_run_id < r.dag_run_id and p.ended_at is not null
       order by p.dag_run_id desc limit 1), false) as recovered
     from called join metadata.dag_run r using (dag_run_id)`,
    [dagRunId, kind],
  )
  return rows[0]
}
