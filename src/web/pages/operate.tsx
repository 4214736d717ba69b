/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { isTerminal } from '../../dag/state.ts'
import type { WholeRun } from '../../operations/list-runs.ts'
import { MOST_NOTE, setNote } from '../../operations/note.ts'
import { cancel, clear, type Selection } from '../../operations/operate.ts'
import { findRun, loadedDag, requireLoadedDag } from '../find.ts'
import { readForm } from '../form.ts'
import { paths } from '../paths.ts'
import { requireRole } from '../rights.ts'
import { keyOf, logChange } from '../run-changes.ts'
import type { WebContext, WebEnv } from '../site.ts'
import { ChangedTasks, Decide, OperatePage } from './operate-parts.tsx'
import { number } from './pick.tsx'

/** Clear and cancel. Each page first shows which tasks will change. */
export const operatePages = new Hono<WebEnv>()

const RUN = '/dags/:dag/runs/:run'
for (const path of ['clear', 'cancel', 'note']) operatePages.use(`${RUN}/${path}`, requireRole('operator'))
// No process could execute a cleared run without the dag's code.
operatePages.use(`${RUN}/clear`, requireLoadedDag)

interface ClearForm {
  task: string[]
  downstream: boolean
  onlyFailed: boolean
  withCurrentGraph: boolean
}

operatePages.get(`${RUN}/clear`, async (c) => {
  const whole = await findRun(c)
  const given: ClearForm = {
    task: c.req.queries('task') ?? [],
    downstream: c.req.query('downstream') === 'yes',
    onlyFailed: c.req.query('only_failed') === 'yes',
    withCurrentGraph: c.req.query('with_current_graph') === 'yes',
  }
  const current = given.withCurrentGraph ? loadedDag(c) : undefined
  const { taskIds } = await clear(c.var.site.metadata, keyOf(whole.run), selectionOf(given), true, current)
  return c.html(<ClearPage c={c} whole={whole} given={given} taskIds={taskIds} />)
})

operatePages.post(`${RUN}/clear`, async (c) => {
  const { run } = await findRun(c)
  const field = await readForm(c)
  const given: ClearForm = {
    task: field.all('task'),
    downstream: field('downstream') === 'yes',
    onlyFailed: field('only_failed') === 'yes',
    withCurrentGraph: field('with_current_graph') === 'yes',
  }
  const current = given.withCurrentGraph ? loadedDag(c) : undefined
  const { taskIds } = await clear(c.var.site.metadata, keyOf(run), selectionOf(given), false, current)
  logChange(c, run, 'cleared on the page', taskIds)
  return c.redirect(paths.run(run.dag_id, run.run_id), 303)
})

function selectionOf({ task, downstream, onlyFailed }: ClearForm): Selection {
  return { ...(task.length > 0 && { taskIds: task }), downstream, onlyFailed }
}

function namesOf(taskIds: readonly string[]): string {
  const more = taskIds.length - MOST_NAMED
  return `${taskIds.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${number(more)} more` : ''}`
}

const MOST_NAMED = 10

interface ClearProps {
  c: WebContext
  whole: WholeRun
  given: ClearForm
  taskIds: readonly string[]
}

function ClearPage({ c, whole: { run, instances }, given, taskIds }: ClearProps) {
  const { task, downstream, onlyFailed, withCurrentGraph } = given
  return (
    <OperatePage c={c} run={run} title={task.length > 0 ? `Clear ${namesOf(task)}` : 'Clear tasks'}>
      <p>
        These tasks run again in the same run. Earlier tries and logs are kept. The outputs of these tasks are deleted.
      </p>
      <form class="choices" action={paths.run(run.dag_id, run.run_id, 'clear')}>
        {task.map((one) => (
          <input type="hidden" name="task" value={one} />
        ))}
        {task.length > 0 && (
          <label>
            <input type="checkbox" name="downstream" value="yes" checked={downstream} data-submit /> also all downstream
            tasks
          </label>
        )}
        <label>
          <input type="checkbox" name="only_failed" value="yes" checked={onlyFailed} data-submit /> only failed tasks
          and tasks that could not run because of them
        </label>
        {run.end_date !== null && (
          <label>
            <input type="checkbox" name="with_current_graph" value="yes" checked={withCurrentGraph} data-submit /> give
            the run the tasks of the current code, for example after a task was renamed
          </label>
        )}
        <noscript>
          <button type="submit">Show the tasks</button>
        </noscript>
      </form>
      <ChangedTasks instances={instances} taskIds={taskIds} what="will run again" />
      <form method="post">
        {task.map((one) => (
          <input type="hidden" name="task" value={one} />
        ))}
        {downstream && <input type="hidden" name="downstream" value="yes" />}
        {onlyFailed && <input type="hidden" name="only_failed" value="yes" />}
        {withCurrentGraph && <input type="hidden" name="with_current_graph" value="yes" />}
        <Decide run={run} disabled={taskIds.length === 0 && !withCurrentGraph}>
          {`Clear ${number(taskIds.length)} task${taskIds.length === 1 ? '' : 's'}`}
        </Decide>
      </form>
    </OperatePage>
  )
}

operatePages.get(`${RUN}/cancel`, async (c) => {
  const { run, instances } = await findRun(c)
  const open = instances.filter(({ state }) => !isTerminal(state)).map(({ task_id }) => task_id)
  return c.html(
    <OperatePage c={c} run={run} title="Cancel this run">
      <p>Running tasks are stopped and fail. Tasks that have not started are skipped. The run fails.</p>
      <ChangedTasks instances={instances} taskIds={open} what="will end" />
      <form method="post">
        <Decide run={run} danger disabled={run.end_date !== null} keep="Keep it running">
          Cancel the run
        </Decide>
      </form>
    </OperatePage>,
  )
})

operatePages.get(`${RUN}/note`, async (c) => {
  const { run } = await findRun(c)
  return c.html(
    <OperatePage c={c} run={run} title="Note">
      <form method="post">
        <div class="field">
          <label for="note">Note on this run</label>
          <p class="hint" id="note-hint">
            {`At most ${number(MOST_NOTE)} characters. An empty note is removed.`}
          </p>
          <textarea id="note" name="note" rows={5} maxlength={MOST_NOTE} aria-describedby="note-hint">
            {run.note ?? ''}
          </textarea>
        </div>
        <Decide run={run}>Save the note</Decide>
      </form>
    </OperatePage>,
  )
})

operatePages.post(`${RUN}/note`, async (c) => {
  const { run } = await findRun(c)
  // A browser sends line ends of two characters, but counts them as one.
  await setNote(c.var.site.metadata, keyOf(run), (await readForm(c))('note').replaceAll('\r\n', '\n'))
  logChange(c, run, 'noted on the page', [])
  return c.redirect(paths.run(run.dag_id, run.run_id), 303)
})

operatePages.post(`${RUN}/cancel`, async (c) => {
  const { run } = await findRun(c)
  const { taskIds } = await cancel(c.var.site.metadata, keyOf(run))
  logChange(c, run, 'cancelled on the page', taskIds)
  return c.redirect(paths.run(run.dag_id, run.run_id), 303)
})
