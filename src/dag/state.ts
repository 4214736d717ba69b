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
