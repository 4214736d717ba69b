import { z } from 'zod'
import type { Dag } from '../dag/dag.ts'
import { buildGraph } from '../dag/graph.ts'
import { isOver, isTerminal } from '../dag/state.ts'
import { storableJson } from '../db/text.ts'
import { issueLines, UsageError } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { MAX_OUTPUT_BYTES } from '../runner/execute.ts'
import * as operations from './change-run.ts'
import { downstreamOf } from './downstream.ts'

/** What a person does to a run from outside. Each in one transaction; throws UsageError where it makes no sense. */

export interface RunKey {
  dagId: string
  /** Or `latest`. */
  runId: string
}

export interface Selection {
  /** Default: all. */
  taskIds?: readonly string[]
  /** And everything that hangs on them. */
  downstream?: boolean
  /** Of these, only what failed or could not run because of it. */
  onlyFailed?: boolean
}

export interface Operated {
  runId: string
  taskIds: string[]
}

/**
 * Runs tasks of a run again, in place: earlier tries and their logs stay. Tasks downstream of them that did not run, or
 * were skipped, are judged again by how these end. A finished run is queued.
 */
export async function clear(db: Metadata, key: RunKey, selection: Selection, dryRun = false): Promise<Operated> {
  return await operate(db, key, async (tx, run) => {
    const selected = select(run, selection)
    const taskIds = inOrder(run, [...selected, ...unrunAfter(run, selected)])
    if (taskIds.length === 0 || dryRun) return taskIds
    await operations.setInstances(tx, run.dagRunId, taskIds, 'none', null)
    await operations.changeRun(tx, run, 'unfinished')
    return taskIds
  })
}

/** Ends a run: running tasks get their AbortSignal and have failed, the rest is skipped. */
export async function cancel(db: Metadata, key: RunKey): Promise<Operated> {
  return await operate(db, key, async (tx, run) => {
    const { dagRunId, runId, state, states, graph } = run
    if (isOver(state)) throw new UsageError(`Run ${runId} has ended already: ${state}`)
    const open = graph.map(({ id }) => id).filter((id) => !isTerminal(states[id] ?? 'none'))
    const running = open.filter((id) => states[id] === 'running')
    const waiting = open.filter((id) => states[id] !== 'running')
    await operations.setInstances(tx, dagRunId, running, 'failed', 'cancelled')
    await operations.setInstances(tx, dagRunId, waiting, 'skipped', 'cancelled')
    await operations.changeRun(tx, run, 'cancelled')
    return open
  })
}

/**
 * Says how a task ended instead of running it. Tasks downstream of it that failed or did not run are judged again, and
 * the run goes on. A task that declares an output needs a `value` to be marked as success.
 */
export async function mark(
  db: Metadata,
  dag: Dag,
  runId: string,
  taskId: string,
  state: 'success' | 'failed' | 'skipped',
  value?: unknown,
): Promise<Operated> {
  const output = state === 'success' ? await outputOf(dag, taskId, value) : undefined
  return await operate(db, { dagId: dag.id, runId }, async (tx, run) => {
    const after = putBackBy(run, taskId)
    await operations.setInstances(tx, run.dagRunId, [taskId], state, `${operations.MARKED} ${state}`)
    if (output !== undefined) await operations.storeOutput(tx, run.dagRunId, taskId, output)
    await operations.setInstances(tx, run.dagRunId, after, 'none', null)
    await operations.changeRun(tx, run, 'unfinished')
    return [taskId, ...after]
  })
}

type LockedRun = operations.LockedRun

/** `work` on the locked run returns the ids of the tasks it concerned. */
async function operate(
  db: Metadata,
  { dagId, runId }: RunKey,
  work: (tx: Metadata, run: LockedRun) => Promise<string[]>,
): Promise<Operated> {
  return await db.transaction(async (tx) => {
    const run = await operations.lockRun(tx, dagId, runId)
    if (run === undefined) throw new UsageError(`Dag '${dagId}' has no run '${runId}'`)
    return { runId: run.runId, taskIds: await work(tx, run) }
  })
}

/** Which tasks a mark puts back to the start: those downstream of the task that failed or did not run. */
export function putBackBy(run: StandingRun, taskId: string): string[] {
  const failed = select(run, { taskIds: [taskId], downstream: true, onlyFailed: true })
  return inOrder(run, [...failed, ...unrunAfter(run, [taskId])]).filter((id) => id !== taskId)
}

/** Tasks downstream that stand where they do because of how others ended. */
function unrunAfter(run: StandingRun, taskIds: readonly string[]): string[] {
  const unrun = new Set(run.unrun)
  return downstreamOf(buildGraph(run.runId, run.graph), taskIds).filter((id) => unrun.has(id))
}

function inOrder(run: StandingRun, taskIds: readonly string[]): string[] {
  const wanted = new Set(taskIds)
  return buildGraph(run.runId, run.graph).taskIds.filter((id) => wanted.has(id))
}

/** A run as far as choosing among its tasks needs it. */
export type StandingRun = Pick<LockedRun, 'runId' | 'graph' | 'states' | 'unrun'>

function select(run: StandingRun, { taskIds, downstream = false, onlyFailed = false }: Selection): string[] {
  const graph = buildGraph(run.runId, run.graph)
  const unknown = taskIds?.find((id) => !graph.indexOf.has(id))
  if (unknown !== undefined) throw new UsageError(`Run ${run.runId} has no task '${unknown}'`)
  const named = taskIds ?? graph.nodes.map(({ id }) => id)
  const wanted = new Set(downstream ? [...named, ...downstreamOf(graph, named)] : named)
  const failed = (id: string) => run.states[id] === 'failed' || run.states[id] === 'upstream_failed'
  return graph.nodes.map(({ id }) => id).filter((id) => wanted.has(id) && (!onlyFailed || failed(id)))
}

async function outputOf(dag: Dag, taskId: string, value: unknown): Promise<string | undefined> {
  const schema = dag.tasks.get(taskId)?.output
  if (schema === undefined) return undefined
  const json = storableJson(value)
  if (json === undefined) {
    throw new UsageError(
      `Task '${taskId}' declares an output, so its downstream tasks need one: give a value (on the command line --value JSON)`,
    )
  }
  if (Buffer.byteLength(json) > MAX_OUTPUT_BYTES)
    throw new UsageError(`The value is over the limit of ${MAX_OUTPUT_BYTES} bytes for an output`)
  const parsed = await z.safeDecodeAsync(schema, JSON.parse(json))
  if (parsed.success) return json
  const why = issueLines(parsed.error.issues).join('; ')
  throw new UsageError(`The value does not match the output schema of '${taskId}': ${why}`)
}
