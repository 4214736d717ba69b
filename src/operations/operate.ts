import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Dag } from '../dag/dag.ts'
import { downstreamOf } from '../dag/downstream.ts'
import { buildGraph, type GraphNode } from '../dag/graph.ts'
import { partsOf, taskOf, withElements } from '../dag/map.ts'
import { type Skip, skipsOf } from '../dag/skips.ts'
import { type DagRunState, isOver, isTerminal } from '../dag/state.ts'
import { storableJson } from '../db/text.ts'
import { issueLines, UsageError } from '../errors.ts'
import { registerDag } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { MAX_OUTPUT_BYTES } from '../runner/execute.ts'
import * as operations from './change-run.ts'

/** Changes to a run that a user requests. Each is one transaction, and throws UsageError if it is not possible. */

export interface RunKey {
  dagId: string
  /** A run id, or `latest`. */
  runId: string
}

export interface Selection {
  /** Default: all tasks. A mapped task stands for its elements too. */
  taskIds?: readonly string[]
  /** Also select all downstream tasks of `taskIds`. */
  downstream?: boolean
  /** Keep only tasks that are failed or upstream_failed. */
  onlyFailed?: boolean
  /** Select nothing if the run is no longer in this state. */
  ifState?: DagRunState
}

/** The states that a user can give to a task. */
export const MARKS = ['success', 'failed', 'skipped'] as const
export type Mark = (typeof MARKS)[number]

export interface Operated {
  runId: string
  taskIds: string[]
}

/**
 * Runs tasks again within their run; earlier tries and logs are kept. If the setup of a task was torn down, the setup and
 * its teardown run again too. Also resets downstream tasks that did not run or
 * were skipped, so that their trigger rule is evaluated again. A finished run is queued.
 *
 * @param current gives the run the graph of this dag, if its graph is another one. The run must have ended. New tasks
 * start, and tasks whose upstreams changed and that did not run are evaluated again. Tasks that the graph no longer has
 * keep their rows and logs, but the run ignores them.
 */
export async function clear(
  db: Metadata,
  key: RunKey,
  selection: Selection,
  dryRun = false,
  current?: Dag,
): Promise<Operated> {
  return await operate(db, key, async (tx, stored) => {
    const { ifState = stored.state } = selection
    if (ifState !== stored.state) return []
    const nodes = current && withElements(current.graph.nodes, Object.keys(stored.states))
    const changed = nodes && changedTasks(stored, nodes)
    const run = changed === undefined || nodes === undefined ? stored : { ...stored, graph: nodes }
    // With an element, its mapped task is decided again, so that teardowns wait for both.
    const named = select(run, selection).flatMap((id) => [id, partsOf(id).id])
    const selected = withSetups(run, named)
    const open = (changed ?? []).filter((id) => run.states[id] === undefined || run.unrun.includes(id))
    const taskIds = inOrder(run, [...selected, ...open, ...unrunAfter(run, [...selected, ...(changed ?? [])])])
    if (dryRun || (taskIds.length === 0 && changed === undefined)) return taskIds
    if (changed !== undefined && current !== undefined) {
      await operations.replaceGraph(tx, run.dagRunId, await registerDag(tx, current), current.graph.taskIds)
      await operations.storeElements(tx, run.dagRunId, run.graph)
    }
    await operations.setInstances(tx, run.dagRunId, taskIds, 'none', null)
    await operations.continueRun(tx, run)
    return taskIds
  })
}

/** The tasks that are new or differ in this graph; undefined if the run has the same graph. Throws for an active run. */
function changedTasks(run: LockedRun, nodes: readonly GraphNode[]): string[] | undefined {
  const before = new Map(run.graph.map((node) => [node.id, node]))
  // Through JSON, because the stored nodes have no fields that are undefined.
  const now: GraphNode[] = JSON.parse(JSON.stringify(nodes))
  const changed = now.filter((node) => !isDeepStrictEqual(node, before.get(node.id))).map(({ id }) => id)
  if (changed.length === 0 && nodes.length === before.size) return undefined
  if (isOver(run.state)) return changed
  throw new UsageError(`Run ${run.runId} is ${run.state}; its graph can change after it has ended: cancel it first`)
}

/** Cancels a run: running tasks are aborted and fail; tasks that wait are skipped. */
export async function cancel(db: Metadata, key: RunKey): Promise<Operated> {
  return await operate(db, key, async (tx, run) => {
    const { runId, state } = run
    if (isOver(state)) throw new UsageError(`Run ${runId} has ended already: ${state}`)
    return await operations.cancelRun(tx, run)
  })
}

/**
 * Sets the end state of a task without running it. Resets downstream tasks that failed or did not run, and continues the
 * run. To mark a task with an output schema as success, `value` is required.
 */
export async function mark(
  db: Metadata,
  dag: Dag,
  runId: string,
  taskId: string,
  state: Mark,
  value?: unknown,
): Promise<Operated> {
  const output = state === 'success' ? await outputOf(dag, taskId, value) : undefined
  return await operate(db, { dagId: dag.id, runId }, async (tx, run) => {
    const marked = markedWith(run, taskId, state)
    const after = resetBy(run, taskId)
    await operations.setInstances(tx, run.dagRunId, marked, state, `${operations.MARKED} ${state}`)
    if (output !== undefined) {
      await operations.storeOutput(tx, run.dagRunId, taskId, output)
      await operations.storeElements(tx, run.dagRunId, run.graph)
    }
    await operations.setInstances(tx, run.dagRunId, after, 'none', null)
    const skips = skipsBy(run, taskId, { state, reason: null, output: output ?? null })
    if (skips.length > 0) await operations.storeSkips(tx, run.dagRunId, skips)
    await operations.continueRun(tx, run)
    return [...marked, ...after]
  })
}

type LockedRun = operations.LockedRun

/** Locks the run and calls `work`, which returns the ids of the changed tasks. */
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

function skipsBy(run: RunState, taskId: string, end: Parameters<typeof skipsOf>[2]): Skip[] {
  const node = run.graph.find(({ id }) => id === taskId)
  return node === undefined ? [] : skipsOf(buildGraph(run.runId, run.graph), node, end)
}

/** The task, and if it is mapped, its elements. Those that succeeded keep their outputs if it is marked success. */
export function markedWith({ graph, states }: RunState, taskId: string, state: Mark): string[] {
  const elements = elementsOf(graph, taskId).filter((id) => state !== 'success' || states[id] !== 'success')
  return [taskId, ...elements]
}

function elementsOf(graph: RunState['graph'], taskId: string): string[] {
  return graph.map(({ id }) => id).filter((id) => id !== taskId && partsOf(id).id === taskId)
}

/** The tasks that a mark resets: downstream tasks that failed or did not run. */
export function resetBy(run: RunState, taskId: string): string[] {
  const failed = select(run, { taskIds: [taskId], downstream: true, onlyFailed: true })
  return inOrder(run, [...failed, ...unrunAfter(run, [taskId])]).filter(
    (id) => id !== taskId && partsOf(id).id !== taskId,
  )
}

/** Downstream tasks whose state was decided by other tasks or a cancel. */
function unrunAfter(run: RunState, taskIds: readonly string[]): string[] {
  const unrun = new Set(run.unrun)
  return downstreamOf(buildGraph(run.runId, run.graph), taskIds).filter((id) => unrun.has(id))
}

function inOrder(run: RunState, taskIds: readonly string[]): string[] {
  const wanted = new Set(taskIds)
  return buildGraph(run.runId, run.graph).taskIds.filter((id) => wanted.has(id))
}

/** The fields of a run that are needed to select its tasks. */
export type RunState = Pick<LockedRun, 'runId' | 'graph' | 'states' | 'unrun'>

function select(run: RunState, { taskIds, downstream = false, onlyFailed = false }: Selection): string[] {
  const graph = buildGraph(run.runId, run.graph)
  const unknown = taskIds?.find((id) => !graph.indexOf.has(id))
  if (unknown !== undefined) throw new UsageError(`Run ${run.runId} has no task '${unknown}'`)
  const named = taskIds?.flatMap((id) => [id, ...elementsOf(run.graph, id)]) ?? graph.taskIds
  const wanted = new Set(downstream ? [...named, ...downstreamOf(graph, named)] : named)
  const failed = (id: string) => run.states[id] === 'failed' || run.states[id] === 'upstream_failed'
  return graph.nodes.map(({ id }) => id).filter((id) => wanted.has(id) && (!onlyFailed || failed(id)))
}

/** The tasks, with the setup and the teardown of each setup that was torn down and that one of them needs again. */
function withSetups({ graph, states }: RunState, taskIds: readonly string[]): string[] {
  const wanted = new Set(taskIds)
  const torn = graph.filter(({ id, teardown }) => teardown !== undefined && isTerminal(states[id] ?? 'none'))
  const needed = () => torn.filter((node) => Object.values(node.upstream).some((id) => wanted.has(id)))
  for (let size = -1; size !== wanted.size; ) {
    size = wanted.size
    for (const { id, teardown = id } of needed()) wanted.add(id).add(teardown)
  }
  return [...wanted]
}

async function outputOf(dag: Dag, taskId: string, value: unknown): Promise<string | undefined> {
  const { output: schema, over, mapIndex } = taskOf(dag, taskId) ?? {}
  // The outputs of a mapped task are those of its elements.
  if (schema === undefined || (over !== undefined && mapIndex === undefined)) return undefined
  const json = storableJson(value)
  if (json === undefined) {
    throw new UsageError(
      `Task '${taskId}' has an output schema, and its downstream tasks need the output: give a value (on the command line --value JSON)`,
    )
  }
  if (Buffer.byteLength(json) > MAX_OUTPUT_BYTES)
    throw new UsageError(`The value exceeds the limit of ${MAX_OUTPUT_BYTES} bytes for an output`)
  const parsed = await z.safeDecodeAsync(schema, JSON.parse(json))
  if (parsed.success) return json
  const why = issueLines(parsed.error.issues).join('; ')
  throw new UsageError(`The value does not match the output schema of '${taskId}': ${why}`)
}
