/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { buildGraph } from '../../dag/graph.ts'
import type { DagRunState, TaskInstanceState } from '../../dag/state.ts'
import { isTerminal } from '../../dag/state.ts'
import type { DagRun } from '../../metadata/dag-runs.ts'
import { firstInstance } from '../../metadata/task-instances.ts'
import { downstreamOf } from '../../operations/downstream.ts'
import { select } from '../../operations/operate.ts'
import { ActiveRun } from '../../runner/active-run.ts'
import { StateMark } from '../parts.tsx'
import type { WholeRun } from '../queries/runs.ts'
import type { Mark } from './mark.tsx'

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
export function consequenceOf({ run, nodes, instances }: WholeRun, taskId: string, mark: Mark): Consequence {
  const states = Object.fromEntries(instances.map(({ task_id, state }) => [task_id, state]))
  const selection = { taskIds: [taskId], downstream: true, onlyFailed: true }
  const standing = { dagRunId: run.id, runId: run.run_id, state: run.state, graph: nodes, states }
  for (const id of select(standing, selection)) states[id] = 'none'
  states[taskId] = mark
  const graph = buildGraph(run.dag_id, nodes)
  const before = instances.map(({ task_id }) => ({ ...firstInstance(task_id), state: states[task_id] ?? 'none' }))
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

export function Follows({ id, consequence: { starts, waits, ends, run } }: { id: string; consequence: Consequence }) {
  const ended = [...new Set(ends.map(({ state }) => state))]
  return (
    <ul class="follows" id={id}>
      {starts.length > 0 && <li>Starts {listed(starts)}</li>}
      {waits.length > 0 && <li>Judged anew once what they hang on has ended: {listed(waits)}</li>}
      {ended.map((state) => (
        <li>
          <StateMark state={state} /> {listed(ends.filter((one) => one.state === state).map(({ taskId }) => taskId))}
        </li>
      ))}
      {starts.length + waits.length + ends.length === 0 && <li>No other task changes</li>}
      {run && (
        <li>
          The run ends as <StateMark state={run} />
        </li>
      )}
    </ul>
  )
}

const MOST_NAMED = 12

function listed(taskIds: readonly string[]) {
  const more = taskIds.length - MOST_NAMED
  return (
    <>
      <span class="id">{taskIds.slice(0, MOST_NAMED).join(', ')}</span>
      {more > 0 && ` and ${more} more`}
    </>
  )
}
