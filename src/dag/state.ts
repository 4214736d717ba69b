/** Airflow's names of states; the same strings in SQL, TypeScript, CLI and JSON. */
export const DAG_RUN_STATES = ['queued', 'running', 'success', 'failed'] as const
export type DagRunState = (typeof DAG_RUN_STATES)[number]

/**
 * The transitions of a task instance that the owner of its run makes. `none`: its upstreams have not ended (a mapped
 * task succeeds from there) ·
 * `scheduled`: ready, but a pool or `maxActiveTasks` is full · `queued`: waits for a slot or a worker · `running`:
 * claimed · `up_for_retry`, `up_for_reschedule`: waits for its due time · the other four are final. A user can also
 * clear a task instance (any state to `none`), mark it (any state to `success`, `failed` or `skipped`) and cancel the
 * run. `src/runner/STATE_MACHINE.md` draws them.
 */
const TRANSITIONS = {
  none: ['scheduled', 'queued', 'success', 'skipped', 'upstream_failed'],
  scheduled: ['queued', 'running', 'skipped'],
  queued: ['scheduled', 'running', 'skipped'],
  running: ['scheduled', 'success', 'failed', 'skipped', 'up_for_retry', 'up_for_reschedule'],
  up_for_retry: ['scheduled', 'queued', 'skipped'],
  up_for_reschedule: ['scheduled', 'queued', 'skipped'],
  success: [],
  failed: [],
  skipped: [],
  upstream_failed: [],
} as const
export type TaskInstanceState = keyof typeof TRANSITIONS
export const TASK_TRANSITIONS: Readonly<Record<TaskInstanceState, readonly TaskInstanceState[]>> = TRANSITIONS
export const TASK_INSTANCE_STATES = Object.keys(TRANSITIONS) as TaskInstanceState[]

export type TerminalTaskState = 'success' | 'failed' | 'skipped' | 'upstream_failed'

export function isTerminal(state: TaskInstanceState): state is TerminalTaskState {
  return TRANSITIONS[state].length === 0
}

export const RUN_TYPES = ['manual', 'scheduled', 'backfill', 'asset_triggered'] as const
export type RunType = (typeof RUN_TYPES)[number]

/** True for a run that has ended. Only a clear or a mark changes an ended run again: to `queued`. */
export function isOver(state: DagRunState): state is 'success' | 'failed' {
  return state === 'success' || state === 'failed'
}
