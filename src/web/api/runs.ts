import { Hono } from 'hono'
import { z } from 'zod'
import { readWaiting } from '../../maintenance/stays-queued.ts'
import { deleteRun } from '../../operations/delete.ts'
import type { InstanceRow, RunRow } from '../../operations/list-runs.ts'
import { setNote } from '../../operations/note.ts'
import { cancel, clear, MARKS, mark } from '../../operations/operate.ts'
import { beginning, SHOWN } from '../excerpt.ts'
import { findRun, findTask, loadedDag, requireLoadedDag } from '../find.ts'
import { LEVELS, readLines, readOutput, readTries } from '../queries/tasks.ts'
import { requireRole } from '../rights.ts'
import { keyOf, logChange } from '../run-changes.ts'
import type { Site, WebEnv } from '../site.ts'
import { readBody, readQuery } from './read.ts'

/** One run: its task instances and logs; clear, cancel and mark. */
export const runApi = new Hono<WebEnv>()

const RUN = '/dags/:dag/dagRuns/:run'

runApi.get(RUN, async (c) => {
  const { run, instances, children, after, followers } = await findRun(c)
  const { site } = c.var
  const waiting = await readWaiting(site.metadata, site.dags, [run])
  return c.json({
    ...runJson(site, run, waiting(run)),
    parent: run.parent,
    children,
    after,
    followers,
    task_instances: instances.map((one) => ({ ...instanceJson(site, one), waiting_for: waiting(run, one.task_id) })),
  })
})

/** A run in the same form as on the command line. */
export function runJson({ scrub }: Site, run: RunRow, waitingFor: string | null) {
  const { dag_id, run_id, run_type, state, logical_date, start_date, end_date, conf, reason, note } = run
  return {
    dag_id,
    run_id,
    run_type,
    state,
    logical_date,
    queued_at: run.queued_at,
    start_date,
    end_date,
    reason: reason && beginning(reason, SHOWN.reason, scrub),
    waiting_for: waitingFor,
    note: note && scrub(note),
    conf: scrubbed(scrub, conf),
  }
}

/** Removes secrets. If the result is no longer JSON, because a secret was a bare number, returns it as text. */
function scrubbed(scrub: Site['scrub'], value: unknown): unknown {
  return scrubbedText(scrub, JSON.stringify(value))
}

function scrubbedText(scrub: Site['scrub'], json: string): unknown {
  const text = scrub(json)
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function instanceJson({ scrub }: Site, one: InstanceRow) {
  const { task_id, state, try_number, start_date, end_date, due_at, reason } = one
  return {
    task_id,
    state,
    try_number,
    start_date,
    end_date,
    due_at,
    reason: reason && beginning(reason, SHOWN.reason, scrub),
  }
}

runApi.get(`${RUN}/taskInstances`, async (c) => {
  const { instances } = await findRun(c)
  return c.json({ task_instances: instances.map((one) => instanceJson(c.var.site, one)) })
})

runApi.get(`${RUN}/taskInstances/:task`, async (c) => {
  const { run, instance } = await findTask(c)
  const { site } = c.var
  const tries = await readTries(site.metadata, run.id, instance.task_id, { most: MOST_TRIES, longest: SHOWN.stacks })
  const output = await readOutput(site.metadata, run.id, instance.task_id)
  return c.json({
    ...instanceJson(site, instance),
    output: output === undefined ? null : scrubbedText(site.scrub, output.text),
    tries: tries.map(({ error_bytes, ...one }) => ({
      ...one,
      reason: one.reason && beginning(one.reason, SHOWN.reason, site.scrub),
      error: one.error && beginning(one.error, SHOWN.stacks, site.scrub, error_bytes ?? undefined),
    })),
  })
})

const MOST_TRIES = 50

runApi.get(`${RUN}/taskInstances/:task/logs/:try{[1-9][0-9]{0,5}}`, async (c) => {
  const query = readQuery(c, {
    limit: z.coerce.number().int().min(1).max(1_000).default(200),
    cursor: z.coerce.number().int().min(0).default(0),
    level: z.enum(['debug', 'info', 'warn', 'error']).default('debug'),
    search: z.string().max(200).default(''),
  })
  const { run, instance } = await findTask(c)
  const { metadata, scrub } = c.var.site
  const lines = await readLines(metadata, {
    run: run.id,
    taskId: instance.task_id,
    tryNumber: Number(c.req.param('try')),
    levels: LEVELS.slice(LEVELS.indexOf(query.level)),
    search: query.search,
    after: query.cursor,
    from: 'start',
    limit: query.limit,
  })
  return c.json({
    lines: lines.map(({ logged_at, level, message, fields }) => {
      return { logged_at, level, message: scrub(message), fields: fields && scrubbedText(scrub, fields) }
    }),
    // This is also set on the last page, so that a client can follow a growing log.
    next_cursor: String(lines.at(-1)?.line ?? query.cursor),
  })
})

runApi.post(`${RUN}/clear`, requireRole('operator'), requireLoadedDag, async (c) => {
  const body = await readBody(c, {
    task_ids: z.array(z.string()).min(1).optional(),
    include_downstream: z.boolean().default(false),
    only_failed: z.boolean().default(false),
    with_current_graph: z.boolean().default(false),
    dry_run: z.boolean().default(false),
  })
  const { run } = await findRun(c)
  const selection = {
    ...(body.task_ids && { taskIds: body.task_ids }),
    downstream: body.include_downstream,
    onlyFailed: body.only_failed,
  }
  const current = body.with_current_graph ? loadedDag(c) : undefined
  const done = await clear(c.var.site.metadata, keyOf(run), selection, body.dry_run, current)
  if (!body.dry_run) logChange(c, run, 'cleared by the API', done.taskIds)
  return c.json({ run_id: done.runId, task_ids: done.taskIds, dry_run: body.dry_run })
})

runApi.post(`${RUN}/cancel`, requireRole('operator'), async (c) => {
  const { run } = await findRun(c)
  const { runId, taskIds } = await cancel(c.var.site.metadata, keyOf(run))
  logChange(c, run, 'cancelled by the API', taskIds)
  return c.json({ run_id: runId, task_ids: taskIds })
})

runApi.patch(RUN, requireRole('operator'), async (c) => {
  const { note } = await readBody(c, { note: z.string().nullable() })
  const { run } = await findRun(c)
  await setNote(c.var.site.metadata, keyOf(run), note ?? '')
  logChange(c, run, 'noted by the API', [])
  return c.json({ dag_id: run.dag_id, run_id: run.run_id, note: note?.trim() || null })
})

runApi.delete(RUN, requireRole('operator'), async (c) => {
  const { run } = await findRun(c)
  await deleteRun(c.var.site.metadata, keyOf(run))
  logChange(c, run, 'deleted by the API', [])
  return c.body(null, 204)
})

/** Sets the state of a task without running it. */
runApi.patch(`${RUN}/taskInstances/:task`, requireRole('operator'), async (c) => {
  const body = await readBody(c, { new_state: z.enum(MARKS), value: z.unknown().optional() })
  const { run, instance } = await findTask(c)
  const { metadata } = c.var.site
  const done = await mark(metadata, loadedDag(c), run.run_id, instance.task_id, body.new_state, body.value)
  logChange(c, run, `marked ${body.new_state} by the API`, done.taskIds)
  return c.json({ run_id: done.runId, task_ids: done.taskIds })
})
