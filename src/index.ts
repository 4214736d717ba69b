/** What a pipeline author writes with. */
export { type DagOptions, dag, type RunEnd } from './dag/dag.ts'
export type { Duration } from './dag/duration.ts'
export { fail, rescheduleAt, skip } from './dag/ending.ts'
export type { DagRunState, RunType, TaskInstanceState } from './dag/state.ts'
export type { Task, TaskContext, TaskLog } from './dag/task.ts'
export type { TriggerRule } from './dag/trigger-rule.ts'
export { TminusError } from './errors.ts'
