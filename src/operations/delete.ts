import { UsageError } from '../errors.ts'
import { DAG_POOL } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { lockRun } from './change-run.ts'
import type { RunKey } from './operate.ts'

/**
 * Matches a run that must not be deleted: a process owns it, a worker executes a task of it, or the code of a try that
 * was stopped still holds a pool slot.
 */
const IN_USE = `(r.state in ('queued', 'running') and r.job_id is not null
  or exists (select from metadata.task_instance t where t.dag_run_id = r.dag_run_id and t.state = 'running')
  or exists (select from metadata.pool_slot s where s.dag_run_id = r.dag_run_id))`

/**
 * Deletes a run with its task instances, tries, logs and outputs. Its tick does not run again. Returns the run's id.
 * Throws UsageError for an unknown run, and for a run that is in use.
 */
export async function deleteRun(db: Metadata, { dagId, runId }: RunKey): Promise<string> {
  return await db.transaction(async (tx) => {
    const run = await lockRun(tx, dagId, runId)
    if (run === undefined) throw new UsageError(`Dag '${dagId}' has no run '${runId}'`)
    const { rowCount } = await tx.query(DELETE_RUN, [run.dagRunId, tx.channel])
    if (rowCount === 0) throw inUse(`Run ${run.runId} is running, or a task of it has not ended yet; cancel it first`)
    return run.runId
  })
}

/**
 * `passed`: the scheduler counts the ticks after the last scheduled run, or after `since`. Notifies the processes, because
 * a later run may have waited behind this one in the queue (`inOrder`).
 */
const DELETE_RUN = `
with gone as (
  delete from metadata.dag_run r where r.dag_run_id = $1 and not ${IN_USE} returning r.dag_id, r.run_type, r.logical_date
), passed as (
  update metadata.dag_schedule s set since = greatest(s.since, gone.logical_date)
  from gone where s.dag_id = gone.dag_id and gone.run_type = 'scheduled'
)
select pg_notify($2, 'run') from gone`

export interface DeletedDag {
  runs: number
  /** True if a running process has loaded the dag. Then the dag stays, without runs, and keeps its pause switch. */
  isLoaded: boolean
}

/**
 * Deletes a dag with its runs, logs, backfills and schedule, in one transaction. As in Airflow, it is refused while a run
 * is in use, but not because the dag's code still exists. A dag whose code exists starts again as a new dag. Throws
 * UsageError for a dag that is not stored, and if a run is in use.
 */
export async function deleteDag(db: Metadata, dagId: string): Promise<DeletedDag> {
  return await db.transaction(async (tx) => {
    const { rowCount: known } = await tx.query('select from metadata.dag where dag_id = $1 for update', [dagId])
    if (known === 0) throw new UsageError(`The database has no dag '${dagId}'`)
    // Until the end of this transaction, no other transaction can add a run of the dag.
    await tx.query('select from metadata.dag_version where dag_id = $1 for update', [dagId])
    const runs = await tx.query(`delete from metadata.dag_run r where r.dag_id = $1 and not ${IN_USE}`, [dagId])
    const left = await tx.query<{ run_id: string }>('select run_id from metadata.dag_run where dag_id = $1', [dagId])
    const [one] = left.rows
    if (one !== undefined)
      throw inUse(
        `Dag '${dagId}' has runs that are running or whose tasks have not ended yet, such as ${one.run_id}; cancel them first`,
      )
    await tx.query('delete from metadata.backfill where dag_id = $1', [dagId])
    await tx.query('delete from metadata.dag_schedule where dag_id = $1', [dagId])
    // A process that has loaded the dag does not store this row again.
    await tx.query('update metadata.dag_after set since = now() where dag_id = $1', [dagId])
    const { rowCount: gone } = await tx.query(DELETE_UNLOADED, [dagId])
    return { runs: runs.rowCount ?? 0, isLoaded: gone === 0 }
  })
}

/** A process that has loaded the dag continues to use the ids of its versions. `dags` is null: it may have loaded any dag. */
const DELETE_UNLOADED = `
with gone as (
  delete from metadata.dag d where d.dag_id = $1
    and not exists (select from metadata.job j where j.state = 'running' and coalesce(j.dags ? $1, true)) returning dag_id
), unlimited as (
  delete from metadata.pool p using gone where p.pool = '${DAG_POOL}' || gone.dag_id
)
select from gone`

function inUse(message: string): UsageError {
  return new UsageError(message, { code: 'run_in_use' })
}
