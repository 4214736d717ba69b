/** Airflow's words for where a run and a task instance stand; the same strings in SQL, TypeScript, CLI and JSON. */
export const DAG_RUN_STATES = ['queued', 'running', 'success', 'failed'] as const
export type DagRunState = (typeof DAG_RUN_STATES)[number]

/**
 * `none`: upstreams not done · `scheduled`: ready, held by a limit · `queued`: waits for a slot or a worker ·
 * `running`: claimed · `up_for_retry`, `up_for_reschedule`: waits for its due time · the other four are final.
 */
export const TASK_INSTANCE_STATES = [
  'none',
  'scheduled',
  'queued',
  'running',
  'success',
  'failed',
  'skipped',
  'upstream_failed',
  'up_for_retry',
  'up_for_reschedule',
] as const
export type TaskInstanceState = (typeof TASK_INSTANCE_STATES)[number]

export const TERMINAL_TASK_STATES = ['success', 'failed', 'skipped', 'upstream_failed'] as const
export type TerminalTaskState = (typeof TERMINAL_TASK_STATES)[number]

export const RUN_TYPES = ['manual', 'scheduled', 'backfill'] as const
export type RunType = (typeof RUN_TYPES)[number]

const TERMINAL: ReadonlySet<string> = new Set(TERMINAL_TASK_STATES)

export function isTerminal(state: TaskInstanceState): state is TerminalTaskState {
  return TERMINAL.has(state)
}

/**
 * Where the owner of a run may take a task instance. From outside, a person may also clear it (any state to `none`),
 * mark it (any state to `success`, `failed` or `skipped`) and cancel the run. Drawn in `src/runner/STATE_MACHINE.md`.
 */
export const TASK_TRANSITIONS: Readonly<Record<TaskInstanceState, readonly TaskInstanceState[]>> = {
  none: ['scheduled', 'queued', 'skipped', 'upstream_failed'],
  scheduled: ['queued', 'running', 'skipped'],
  queued: ['scheduled', 'running', 'skipped'],
  running: ['scheduled', 'success', 'failed', 'skipped', 'up_for_retry', 'up_for_reschedule'],
  up_for_retry: ['scheduled', 'queued', 'skipped'],
  up_for_reschedule: ['scheduled', 'queued', 'skipped'],
  success: [],
  failed: [],
  skipped: [],
  upstream_failed: [],
}

/** Where a run may go; the way back to `queued` is taken when it is cleared, handed back, or its owner died. */
export const DAG_RUN_TRANSITIONS: Readonly<Record<DagRunState, readonly DagRunState[]>> = {
  queued: ['running', 'failed'],
  running: ['queued', 'success', 'failed'],
  success: ['queued'],
  failed: ['queued'],
}
