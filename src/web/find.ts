import type { MiddlewareHandler } from 'hono'
import type { Dag } from '../dag/dag.ts'
import { readRun, readWholeRun, type WholeRun } from '../operations/list-runs.ts'
import { notFound, type ProblemError } from './problem.tsx'
import { type DagState, readDag } from './queries/dags.ts'
import { type OneInstance, readInstance } from './queries/runs.ts'
import type { WebContext, WebEnv } from './site.ts'

export interface FoundDag {
  dagId: string
  /** Undefined if its folder is missing or could not be loaded. */
  dag: Dag | undefined
  /** Undefined if the database does not know it. */
  state: DagState | undefined
}

/** Returns the dag that the request's path names. It is in the pipelines folder or only in the database; else throws 404. */
export async function findDag(c: WebContext): Promise<FoundDag> {
  const dagId = c.req.param('dag') as string
  const dag = c.var.site.dags.get(dagId)
  const state = await readDag(c.var.site.metadata, dagId)
  if (dag === undefined && state === undefined) throw notFound(`Unknown dag '${dagId}'.`)
  return { dagId, dag, state }
}

/** Returns the dag that the request's path names. Throws 404 if the dag is not in the pipelines folder. */
export function loadedDag(c: WebContext): Dag {
  const dagId = c.req.param('dag') as string
  const dag = c.var.site.dags.get(dagId)
  if (dag === undefined) throw notFound(`Dag '${dagId}' is not in the pipelines folder. Restore its folder first.`)
  return dag
}

/** Answers 404 unless the dag's code is loaded. */
export const requireLoadedDag: MiddlewareHandler<WebEnv> = async (c, next) => {
  loadedDag(c)
  await next()
}

export async function findRun(c: WebContext): Promise<WholeRun> {
  const { dag, run } = c.req.param() as { dag: string; run: string }
  const found = await readWholeRun(c.var.site.metadata, dag, run)
  if (found === undefined) throw noRun(dag, run)
  return found
}

function noRun(dagId: string, runId: string): ProblemError {
  return notFound(`Dag '${dagId}' has no run '${runId}'; it may have been deleted by db clean.`)
}

export type FoundTask = OneInstance & { instance: NonNullable<OneInstance['instance']> }

export async function findTask(c: WebContext): Promise<FoundTask> {
  const { dag, run: runId, task } = c.req.param() as { dag: string; run: string; task: string }
  const found = await readInstance(c.var.site.metadata, dag, runId, task)
  if (found === undefined) throw noRun(dag, runId)
  const { run, instance } = found
  if (instance === undefined) throw notFound(`Run '${run.run_id}' has no task '${task}'.`)
  return { run, instance }
}

/** A run and its live mark. The mark is read first, so a change in between is shown at once. */
export async function findLiveRun(c: WebContext): Promise<WholeRun & { mark: string }> {
  const { dag, run } = c.req.param() as { dag: string; run: string }
  const found = await readRun(c.var.site.metadata, dag, run)
  const mark = found === undefined ? '' : await c.var.site.markOf('run', String(found.run.id))
  return { ...(await findRun(c)), mark }
}
