import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { listExecuting } from '../../maintenance/alive.ts'
import { readWaiting, whyStaysQueued } from '../../maintenance/stays-queued.ts'
import { registerDag } from '../../metadata/dags.ts'
import { afterJson } from '../../operations/after-words.ts'
import { clearRuns } from '../../operations/clear-runs.ts'
import { listJobs } from '../../operations/list-jobs.ts'
import { readRun, readRuns } from '../../operations/list-runs.ts'
import { setPaused } from '../../operations/pause.ts'
import { listPools } from '../../operations/pools.ts'
import { findDag, loadedDag } from '../find.ts'
import { checkConf, paramFields, textOf } from '../params.ts'
import { badRequest } from '../problem.tsx'
import { readDags } from '../queries/dags.ts'
import { requireRole } from '../rights.ts'
import { deleteDagOn, queueRun } from '../run-changes.ts'
import type { Site, WebEnv } from '../site.ts'
import { filterOf, instant, limit, readBody, readQuery, runCursor, runFilter } from './read.ts'
import { runApi, runJson } from './runs.ts'

/** `/api/v1`, in Airflow's words. Lists have a `next_cursor`, null on the last page; errors are RFC 9457 problems. */
export const api = new Hono<WebEnv>().basePath('/api/v1')

api.get('/dags', async (c) => {
  const query = readQuery(c, { limit, cursor: z.string().default(''), search: z.string().default('') })
  const { site } = c.var
  const wanted = { loaded: [...site.dags.keys()], search: query.search, after: query.cursor, runs: 1 }
  const rows = await readDags(site.metadata, { ...wanted, limit: query.limit + 1 })
  const shown = rows.slice(0, query.limit)
  return c.json({
    dags: shown.map(({ dag_id, is_paused }) => dagJson(site, dag_id, is_paused)),
    next_cursor: rows.length > query.limit ? (shown.at(-1)?.dag_id ?? null) : null,
  })
})

function dagJson({ dags }: Site, dagId: string, paused: boolean) {
  const dag = dags.get(dagId)
  return {
    dag_id: dagId,
    is_paused: paused,
    /** True if the dag's code is in the pipelines folder. */
    is_active: dag !== undefined,
    description: dag?.description ?? '',
    owner: dag?.owner ?? '',
    links: dag?.links ?? {},
    schedule: dag?.schedule ?? null,
    after: dag ? afterJson(dag) : null,
    timezone: dag?.timezone ?? 'UTC',
    max_active_runs: dag?.maxActiveRuns ?? null,
    tags: dag?.tags ?? [],
  }
}

api.get('/dags/:dag', async (c) => {
  const { dagId, dag, state } = await findDag(c)
  const tasks = dag?.graph.nodes.map(({ id, upstream, triggerRule }) => {
    const doc = dag.tasks.get(id)?.doc ?? ''
    return { task_id: id, upstream: [...new Set(Object.values(upstream))], trigger_rule: triggerRule, doc }
  })
  const params =
    dag &&
    paramFields(dag).map(({ standard, ...field }) => ({
      ...field,
      default: standard === undefined ? null : textOf(standard),
    }))
  const listed = dagJson(c.var.site, dagId, state?.is_paused ?? false)
  return c.json({ ...listed, doc: dag?.doc ?? '', tasks: tasks ?? [], params: params ?? [] })
})

api.patch('/dags/:dag', requireRole('operator'), async (c) => {
  const { site, viewer } = c.var
  const dag = loadedDag(c)
  const { is_paused } = await readBody(c, { is_paused: z.boolean() })
  await registerDag(site.metadata, dag)
  await setPaused(site.metadata, dag.id, is_paused, site.now())
  site.log.info({ dag_id: dag.id, user: viewer.name, paused: is_paused }, 'paused or resumed by the API')
  return c.json(dagJson(site, dag.id, is_paused))
})

api.get('/dags/:dag/dagRuns', async (c) => {
  const { dagId } = await findDag(c)
  return await listRuns(c, dagId)
})

api.get('/dagRuns', (c) => listRuns(c, null))

/** As Airflow's clearTaskInstances, it changes nothing unless `dry_run` is false. */
api.post('/dags/:dag/dagRuns/clear', requireRole('operator'), async (c) => {
  const dag = loadedDag(c)
  const body = await readBody(c, {
    ...runFilter,
    only_failed: z.boolean().default(false),
    with_current_graph: z.boolean().default(false),
    dry_run: z.boolean().default(true),
  })
  const filter = { ...filterOf(body), dagId: dag.id }
  if (Object.values(filterOf(body)).every((one) => one === null))
    throw badRequest('Choose runs by state, run_type, logical_date_gte or logical_date_lte.')
  const { site, viewer } = c.var
  const current = body.with_current_graph ? dag : undefined
  const cleared = await clearRuns(site.metadata, filter, {
    onlyFailed: body.only_failed,
    dryRun: body.dry_run,
    current,
  })
  for (const { runId, taskIds } of body.dry_run ? [] : cleared)
    site.log.info({ dag_id: dag.id, run_id: runId, tasks: taskIds.join(), user: viewer.name }, 'cleared by the API')
  const dag_runs = cleared.map(({ runId, taskIds, error }) => ({ run_id: runId, task_ids: taskIds, error }))
  return c.json({ dag_runs, dry_run: body.dry_run })
})

/** As in Airflow, the dag is a new dag if its code is still there. */
api.delete('/dags/:dag', requireRole('admin'), async (c) => {
  const { dagId } = await findDag(c)
  const { runs, isLoaded } = await deleteDagOn(c, dagId, 'deleted by the API')
  return c.json({ dag_id: dagId, deleted_runs: runs, is_active: isLoaded })
})

async function listRuns(c: Context<WebEnv>, dagId: string | null) {
  const ofDag = dagId === null ? { dag_id: z.string().optional() } : {}
  const query = readQuery(c, { limit, cursor: runCursor, ...runFilter, ...ofDag })
  const of = dagId ?? (query as { dag_id?: string }).dag_id ?? null
  const wanted = { ...filterOf(query), dagId: of, before: query.cursor ?? null, limit: query.limit + 1 }
  const rows = await readRuns(c.var.site.metadata, wanted)
  const shown = rows.slice(0, query.limit)
  const waiting = await readWaiting(c.var.site.metadata, c.var.site.dags, shown)
  return c.json({
    dag_runs: shown.map((run) => runJson(c.var.site, run, waiting(run))),
    next_cursor: rows.length > query.limit ? String(shown.at(-1)?.id) : null,
  })
}

api.post('/dags/:dag/dagRuns', requireRole('operator'), async (c) => {
  const dag = loadedDag(c)
  const body = await readBody(c, {
    conf: z.record(z.string(), z.unknown()).default({}),
    logical_date: instant,
    run_id: z.string().optional(),
  })
  const errors = checkConf(dag, body.conf)
  if (Object.keys(errors).length > 0) throw badRequest(`conf does not fit the params of '${dag.id}'.`, errors)
  const { site, viewer } = c.var
  const logicalDate = body.logical_date ?? site.now()
  const { runId, isNew } = await queueRun(site, viewer, dag, body.conf, logicalDate, body.run_id)
  c.header('location', `/api/v1/dags/${encodeURIComponent(dag.id)}/dagRuns/${encodeURIComponent(runId)}`)
  if (!isNew) return await existsAlready(c, dag.id, runId)
  const warning = (await whyStaysQueued(site.metadata, dag)) ?? null
  return c.json(
    { dag_id: dag.id, run_id: runId, state: 'queued', logical_date: logicalDate, conf: body.conf, warning },
    201,
  )
})

/** A problem with the existing run, for a client that sends a request again. */
async function existsAlready(c: Context<WebEnv>, dagId: string, runId: string) {
  const found = await readRun(c.var.site.metadata, dagId, runId)
  const detail = `Dag '${dagId}' already has a run '${runId}'; nothing was queued.`
  const problem = { type: 'about:blank', title: 'In conflict', status: 409, detail }
  const body = { ...problem, dag_run: found === undefined ? null : runJson(c.var.site, found.run, null) }
  return c.json(body, 409, { 'content-type': 'application/problem+json' })
}

api.route('/', runApi)

api.get('/pools', async (c) => c.json({ pools: await listPools(c.var.site.metadata) }))

api.get('/jobs', async (c) => c.json({ jobs: await listJobs(c.var.site.metadata, readQuery(c, { limit }).limit) }))

api.get('/importErrors', (c) => {
  const { importErrors, scrub } = c.var.site
  return c.json({ import_errors: importErrors.map(({ folder, message }) => ({ folder, message: scrub(message) })) })
})

api.get('/executing', async (c) => c.json({ jobs: await listExecuting(c.var.site.metadata) }))
