import { buildGraph } from '../dag/graph.ts'
import { type DagRunState, isTerminal, type TaskInstanceState } from '../dag/state.ts'
import type { DagRun } from '../metadata/dag-runs.ts'
import { firstInstance } from '../metadata/task-instances.ts'
import { ActiveRun } from '../runner/active-run.ts'
import { downstreamOf } from './downstream.ts'
import { putBackBy, type StandingRun } from './operate.ts'

/** What is certain to follow from a mark. What the tasks that start will come to nobody knows. */
export interface Consequence {
  starts: string[]
  /** Judged once what it hangs on has ended. */
  waits: string[]
  /** Ended by their trigger rule alone. */
  ends: { taskId: string; state: TaskInstanceState }[]
  /** Undefined while something is still to run. */
  run: DagRunState | undefined
}

/** Decided by what the runner decides with: the tasks `mark` puts back, and what the owner of the run does with them. */
export function consequenceOf(run: StandingRun, taskId: string, mark: 'success' | 'failed' | 'skipped'): Consequence {
  const states = { ...run.states }
  for (const id of putBackBy(run, taskId)) states[id] = 'none'
  states[taskId] = mark
  const graph = buildGraph(run.runId, run.graph)
  const before = graph.taskIds.map((id) => ({ ...firstInstance(id), state: states[id] ?? 'none' }))
  const active = new ActiveRun(UNSTARTED, graph, before)
  const starts = new Set(active.judgeAll().map((index) => graph.taskIds[index]))
  const after = new Set(downstreamOf(graph, [taskId]))
  const open = active.instances.filter((one) => states[one.taskId] === 'none' && after.has(one.taskId))
  return {
    starts: open.filter((one) => starts.has(one.taskId)).map((one) => one.taskId),
    waits: open.filter((one) => one.state === 'none' && !starts.has(one.taskId)).map((one) => one.taskId),
    ends: open.filter(({ state }) => isTerminal(state)),
    run: active.ended?.state,
  }
}

/** Of a run the decision needs nothing but its tasks. */
const UNSTARTED: DagRun = {
  dagRunId: 0,
  dagId: '',
  dagVersionId: 0,
  runId: '',
  runType: 'manual',
  logicalDate: new Date(0),
  dataIntervalStart: new Date(0),
  conf: {},
  state: 'running',
  jobId: null,
  version: 0,
  reason: null,
  ranForMs: 0,
  previous: null,
}
