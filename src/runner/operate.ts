import { z } from 'zod'
import type { Dag } from '../dag/dag.ts'
import { buildGraph, downstreamOf } from '../dag/graph.ts'
import { isTerminal } from '../dag/state.ts'
import { storableJson } from '../db/text.ts'
import { UsageError } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import {
  continueRun,
  endInstances,
  endRun,
  type LockedRun,
  lockRun,
  resetInstances,
  storeOutput,
} from '../metadata/operations.ts'

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

/** Runs tasks of a run again, in place: earlier tries and their logs stay. A finished run is queued. */
export async function clear(db: Metadata, key: RunKey, selection: Selection, dryRun = false): Promise<Operated> {
  return await db.transaction(async (tx) => {
    const run = await locked(tx, key)
    const taskIds = select(run, selection)
    if (taskIds.length > 0 && !dryRun) {
      await resetInstances(tx, run.dag_run_id, taskIds)
      await continueRun(tx, run)
    }
    return { runId: run.run_id, taskIds }
  })
}

/** Ends a run: running tasks get their AbortSignal and have failed, the rest is skipped. */
export async function cancel(db: Metadata, key: RunKey): Promise<Operated> {
  return await db.transaction(async (tx) => {
    const run = await locked(tx, key)
    if (run.state === 'success' || run.state === 'failed')
      throw new UsageError(`Run ${run.run_id} has ended already: ${run.state}`)
    const running = run.instances.filter(({ state }) => state === 'running').map(({ task_id }) => task_id)
    const waiting = run.instances
      .filter(({ state }) => state !== 'running' && !isTerminal(state))
      .map(({ task_id }) => task_id)
    await endInstances(tx, run.dag_run_id, running, 'failed', 'cancelled')
    await endInstances(tx, run.dag_run_id, waiting, 'skipped', 'cancelled')
    await endRun(tx, run.dag_run_id, 'cancelled')
    return { runId: run.run_id, taskIds: [...running, ...waiting] }
  })
}

/**
 * Says how a task ended instead of running it. What hangs on it and failed, or could not run, is judged anew, and the
 * run goes on. A task that declares an output needs a `value` to be marked as success.
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
  return await db.transaction(async (tx) => {
    const run = await locked(tx, { dagId: dag.id, runId })
    const after = select(run, { taskIds: [taskId], downstream: true, onlyFailed: true }).filter((id) => id !== taskId)
    await endInstances(tx, run.dag_run_id, [taskId], state, `marked ${state}`)
    if (output !== undefined) await storeOutput(tx, run.dag_run_id, taskId, output)
    await resetInstances(tx, run.dag_run_id, after)
    await continueRun(tx, run)
    return { runId: run.run_id, taskIds: [taskId, ...after] }
  })
}

async function locked(tx: Metadata, { dagId, runId }: RunKey): Promise<LockedRun> {
  const run = await lockRun(tx, dagId, runId)
  if (run === undefined) throw new UsageError(`Dag '${dagId}' has no run '${runId}'`)
  return run
}

function select(run: LockedRun, { taskIds, downstream = false, onlyFailed = false }: Selection): string[] {
  const graph = buildGraph(run.run_id, run.graph)
  const unknown = taskIds?.find((id) => !graph.indexOf.has(id))
  if (unknown !== undefined) throw new UsageError(`Run ${run.run_id} has no task '${unknown}'`)
  const named = taskIds ?? graph.nodes.map(({ id }) => id)
  const wanted = new Set(downstream ? [...named, ...downstreamOf(graph, named)] : named)
  const states = new Map(run.instances.map(({ task_id, state }) => [task_id, state]))
  const failed = (id: string) => states.get(id) === 'failed' || states.get(id) === 'upstream_failed'
  return graph.nodes.map(({ id }) => id).filter((id) => wanted.has(id) && (!onlyFailed || failed(id)))
}

async function outputOf(dag: Dag, taskId: string, value: unknown): Promise<string | undefined> {
  const schema = dag.tasks.get(taskId)?.output
  if (schema === undefined) return undefined
  const json = storableJson(value)
  if (json === undefined) {
    throw new UsageError(`Task '${taskId}' declares an output, so its downstream tasks need one: give a value`)
  }
  const parsed = await z.safeDecodeAsync(schema, JSON.parse(json))
  if (parsed.success) return json
  throw new UsageError(`The value does not fit the output of '${taskId}': ${z.prettifyError(parsed.error)}`)
}
