import type { TaskInstanceState } from '../dag/state.ts'
import type { Metadata } from './metadata.ts'

/** One try of one task instance. */
export interface TryKey {
  dagRunId: number
  taskId: string
  tryNumber: number
}

/** The stored state of a task instance. */
export interface TaskInstance {
  taskId: string
  state: TaskInstanceState
  tryNumber: number
  failures: number
  /** The number of lost tries that were charged to this task instance. */
  lost: number
  /**
   * The number of the last try that was lost in the death of a process; 0: none. A task instance with such a try is
   * suspect until its run ends.
   */
  lostTry: number
  /** True if the try runs in a child process. */
  isolated: boolean
  /**
   * Where a try of another process is: a worker runs it, or it waits in the queue of the workers (the stored state is
   * `queued`). Null: neither.
   */
  heldBy?: 'worker' | 'queue' | null
  reason: string | null
  dueAt: Date | null
  /** When the first try since the last clear began, by this process's clock; undefined if there is none. */
  firstStartedAt?: Date | undefined
  /** Why another task skips this one, whatever its trigger rule says: a branch did not choose it, for example. */
  skip?: string | null
}

/** Matches a task instance `t` whose try waits in the queue of the workers. */
export const HANDED_OVER = `(t.state = 'queued' and t.queued_at is not null)`

/** A task instance of a new run: running if it starts with the run, else `none`. */
export function firstInstance(taskId: string, started = false): TaskInstance {
  const [state, tryNumber] = started ? (['running', 1] as const) : (['none', 0] as const)
  const firstStartedAt = started ? new Date() : undefined
  const counts = { failures: 0, lost: 0, lostTry: 0 }
  return { taskId, state, tryNumber, ...counts, isolated: false, reason: null, dueAt: null, firstStartedAt }
}

/** For how many ms a task instance `t` has been trying, since its last clear; null if it has not started since. */
export const TRYING_MS = `case when t.try_number > t.cleared_try then (1000 * extract(epoch from now() - (select min(s) from (
  select t.started_at union all select h.started_at from metadata.task_instance_history h
  where h.dag_run_id = t.dag_run_id and h.task_id = t.task_id and h.try_number > t.cleared_try) starts (s))))::float8 end`

export function startedFor(ms: number | null): Date | undefined {
  return ms === null ? undefined : new Date(Date.now() - ms)
}

/**
 * The stored output of a task, as JSON; undefined if there is none.
 *
 * @param address `pages`, or `pages[7]`: one element of its array, or `load_page[]`: the outputs of a mapped task, in
 * order. An element without an output is undefined.
 */
export async function readOutput(db: Metadata, dagRunId: number, address: string): Promise<unknown> {
  const [, id = address, mapIndex = null] = /^(.*)\[(\d*)\]$/.exec(address) ?? []
  const isMapped = mapIndex === ''
  const values = isMapped ? [dagRunId, `${id}[`] : [dagRunId, id, mapIndex]
  const { rows } = await db.query<{ value: unknown; found: boolean }>(isMapped ? OUTPUTS : OUTPUT, values)
  if (!isMapped || rows.length === 0) return rows[0]?.value
  return rows.map(({ value, found }) => (found ? value : undefined))
}

const OUTPUT = `select case when $3::int is null then value else value -> $3 end as value
  from metadata.xcom where dag_run_id = $1 and task_id = $2`

/** Without the elements that the array no longer has. */
const OUTPUTS = `select x.value, x.task_id is not null as found
  from metadata.task_instance t left join metadata.xcom x using (dag_run_id, task_id)
  where t.dag_run_id = $1 and starts_with(t.task_id, $2) and not exists (
    select from metadata.task_skip k where k.dag_run_id = t.dag_run_id and k.task_id = t.task_id)
  order by length(t.task_id), t.task_id`
