import type { MiddlewareHandler } from 'hono'
import type { Dag } from '../dag/dag.ts'
import { notFound } from './problem.tsx'
import { type DagState, readDag } from './queries/dags.ts'
import { idOfRun, type OneInstance, readInstance, readWholeRun, type WholeRun } from './queries/runs.ts'
import type { WebContext, WebEnv } from './site.ts'

export interface FoundDag {
  dagId: string
  /** Undefined if its folder is missing or could not be loaded. */
  dag: Dag | undefined
  /** Undefined if the database does not know it. */
  state: DagState | undefined
}

/** The dag in the path, from the pipelines folder or the database. Throws 404. */
export async function findDag(c: WebContext): Promise<FoundDag> {
  const dagId = c.req.param('dag') as string
  const dag = c.var.site.dags.get(dagId)
  const state = await readDag(c.var.site.metadata, dagId)
  if (dag === undefined && state === undefined) throw notFound(`Unknown dag '${dagId}'.`)
  return { dagId, dag, state }
}

/** The dag in the path, from the pipelines folder. Throws 404 if it is not loaded. */
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
  if (found === undefined) throw notFound(`Dag '${dag}' has no run '${run}'; it may have been deleted by db clean.`)
  return found
}

export type FoundTask = OneInstance & { instance: NonNullable<OneInstance['instance']> }

export async function findTask(c: WebContext): Promise<FoundTask> {
  const { dag, run, task } = c.req.param() as { dag: string; run: string; task: string }
  const found = await readInstance(c.var.site.metadata, dag, run, task)
  if (found === undefined) throw notFound(`Dag '${dag}' has no run '${run}'; it may have been deleted by db clean.`)
  const { run: of, instance } = found
  if (instance === undefined) throw notFound(`Run '${of.run_id}' has no task '${task}'.`)
  return { run: of, instance }
}

/** A run and its live mark. The mark is read first, so a change in between is shown at once. */
export async function findLiveRun(c: WebContext): Promise<WholeRun & { mark: string }> {
  const { dag, run } = c.req.param() as { dag: string; run: string }
  const id = await idOfRun(c.var.site.metadata, dag, run)
  const mark = id === undefined ? '' : await c.var.site.markOf('run', String(id))
  return { ...(await findRun(c)), mark }
}
