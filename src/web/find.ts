import type { MiddlewareHandler } from 'hono'
import type { Dag } from '../dag/dag.ts'
import { notFound } from './problem.tsx'
import { type DagState, readDag } from './queries/dags.ts'
import { idOfRun, type OneInstance, readInstance, readWholeRun, type WholeRun } from './queries/runs.ts'
import type { WebContext, WebEnv } from './site.ts'

export interface FoundDag {
  dagId: string
  /** Undefined where its folder is not there any more, or could not be loaded. */
  dag: Dag | undefined
  /** Undefined where the database has never seen it. */
  state: DagState | undefined
}

/** The dag of this address, from the folder or only from the database. */
export async function findDag(c: WebContext): Promise<FoundDag> {
  const dagId = c.req.param('dag') as string
  const dag = c.var.site.dags.get(dagId)
  const state = await readDag(c.var.site.metadata, dagId)
  if (dag === undefined && state === undefined) throw notFound(`There is no dag '${dagId}'.`)
  return { dagId, dag, state }
}

/** The dag whose code is here. */
export function loadedDag(c: WebContext): Dag {
  const dagId = c.req.param('dag') as string
  const dag = c.var.site.dags.get(dagId)
  if (dag === undefined)
    throw notFound(`The dag '${dagId}' is not in the pipelines folder any more; put its folder back first.`)
  return dag
}

/** Refuses what needs the code of the dag. */
export const requireLoadedDag: MiddlewareHandler<WebEnv> = async (c, next) => {
  loadedDag(c)
  await next()
}

export async function findRun(c: WebContext): Promise<WholeRun> {
  const { dag, run } = c.req.param() as { dag: string; run: string }
  const found = await readWholeRun(c.var.site.metadata, dag, run)
  if (found === undefined) throw notFound(`Dag '${dag}' has no run '${run}'; it may have been cleaned up.`)
  return found
}

export type FoundTask = OneInstance & { instance: NonNullable<OneInstance['instance']> }

export async function findTask(c: WebContext): Promise<FoundTask> {
  const { dag, run, task } = c.req.param() as { dag: string; run: string; task: string }
  const found = await readInstance(c.var.site.metadata, dag, run, task)
  if (found === undefined) throw notFound(`Dag '${dag}' has no run '${run}'; it may have been cleaned up.`)
  const { run: of, instance } = found
  if (instance === undefined) throw notFound(`Run '${of.run_id}' has no task '${task}'.`)
  return { run: of, instance }
}

/** A run with the mark it is followed by, which is never newer than what is read of the run. */
export async function findLiveRun(c: WebContext): Promise<WholeRun & { mark: string }> {
  const { dag, run } = c.req.param() as { dag: string; run: string }
  const id = await idOfRun(c.var.site.metadata, dag, run)
  const mark = id === undefined ? '' : await c.var.site.markOf('run', String(id))
  return { ...(await findRun(c)), mark }
}
