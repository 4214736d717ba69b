import { downstreamOf } from '../dag/downstream.ts'
import { buildGraph } from '../dag/graph.ts'
import { partsOf, withElements } from '../dag/map.ts'
import { type DagRunState, isTerminal, type TaskInstanceState } from '../dag/state.ts'
import type { DagRun } from '../metadata/dag-runs.ts'
import { firstInstance } from '../metadata/task-instances.ts'
import { ActiveRun } from '../runner/active-run.ts'
import { type Mark, markedWith, type RunState, resetBy } from './operate.ts'

/** The certain effects of a mark. The results of the tasks that start are unknown. */
export interface Consequence {
  starts: string[]
  /** Tasks whose upstream tasks have not ended yet. */
  waits: string[]
  /** Tasks that end without running, by their trigger rule. */
  ends: { taskId: string; state: TaskInstanceState }[]
  /** The run's final state; undefined while tasks remain to run. */
  run: DagRunState | undefined
}

/** Uses the runner's own code: resets the tasks that `mark` resets, then decides like the owner of the run. */
export function consequenceOf(run: RunState, taskId: string, mark: Mark): Consequence {
  const states = { ...run.states }
  for (const id of resetBy(run, taskId)) states[id] = 'none'
  for (const id of markedWith(run, taskId, mark)) states[id] = mark
  // A task that is mapped over a new array gets at least one element.
  const mapped = run.graph.flatMap(({ id, over, elements }) =>
    over === taskId && elements === undefined ? `${partsOf(id).id}[0]` : [],
  )
  const graph = buildGraph(run.runId, withElements(run.graph, mapped))
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

/** A placeholder: the decision uses only the run's tasks. */
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
  stopReason: null,
  ranForMs: 0,
  previous: null,
}
