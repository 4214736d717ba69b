/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { isTerminal } from '../../dag/state.ts'
import { cancel, clear, type Selection } from '../../operations/operate.ts'
import { findRun, requireLoadedDag } from '../find.ts'
import { readForm } from '../form.ts'
import { paths } from '../paths.ts'
import type { RunRow, WholeRun } from '../queries/runs.ts'
import { requireRole } from '../rights.ts'
import type { WebContext, WebEnv } from '../site.ts'
import { Decide, OperatePage, Touched, told } from './operate-parts.tsx'
import { number } from './pick.tsx'

/** Clear and cancel: each first shows what it will touch. */
export const operatePages = new Hono<WebEnv>()

const RUN = '/dags/:dag/runs/:run'
for (const path of ['clear', 'cancel']) operatePages.use(`${RUN}/${path}`, requireRole('operator'))
// A run whose dag is not here would be queued for nothing.
operatePages.use(`${RUN}/clear`, requireLoadedDag)

interface ClearForm {
  task: string[]
  downstream: boolean
  onlyFailed: boolean
}

operatePages.get(`${RUN}/clear`, async (c) => {
  const whole = await findRun(c)
  const given: ClearForm = {
    task: c.req.queries('task') ?? [],
    downstream: c.req.query('downstream') === 'yes',
    onlyFailed: c.req.query('only_failed') === 'yes',
  }
  const { taskIds } = await clear(c.var.site.metadata, keyOf(whole.run), selectionOf(given), true)
  return c.html(<ClearPage c={c} whole={whole} given={given} taskIds={taskIds} />)
})

operatePages.post(`${RUN}/clear`, async (c) => {
  const { run } = await findRun(c)
  const field = await readForm(c)
  const given: ClearForm = {
    task: field.all('task'),
    downstream: field('downstream') === 'yes',
    onlyFailed: field('only_failed') === 'yes',
  }
  const { taskIds } = await clear(c.var.site.metadata, keyOf(run), selectionOf(given))
  told(c, run, 'cleared', taskIds)
  return c.redirect(paths.run(run.dag_id, run.run_id), 303)
})

function keyOf({ dag_id, run_id }: RunRow) {
  return { dagId: dag_id, runId: run_id }
}

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
  const { task, downstream, onlyFailed } = given
  return (
    <OperatePage c={c} run={run} title={task.length > 0 ? `Clear ${namesOf(task)}` : 'Clear tasks'}>
      <p>They run again, in place. Earlier tries and their logs stay; what they returned is forgotten.</p>
      <form class="choices" action={paths.run(run.dag_id, run.run_id, 'clear')}>
        {task.map((one) => (
          <input type="hidden" name="task" value={one} />
        ))}
        {task.length > 0 && (
          <label>
            <input type="checkbox" name="downstream" value="yes" checked={downstream} data-submit /> and everything that
            hangs on it
          </label>
        )}
        <label>
          <input type="checkbox" name="only_failed" value="yes" checked={onlyFailed} data-submit /> only what failed or
          could not run
        </label>
        <noscript>
          <button type="submit">Show what that touches</button>
        </noscript>
      </form>
      <Touched instances={instances} taskIds={taskIds} what="will run again" />
      <form method="post">
        {task.map((one) => (
          <input type="hidden" name="task" value={one} />
        ))}
        {downstream && <input type="hidden" name="downstream" value="yes" />}
        {onlyFailed && <input type="hidden" name="only_failed" value="yes" />}
        <Decide run={run} disabled={taskIds.length === 0}>
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
      <p>Running tasks are told to stop and have failed; what has not started is skipped; the run has failed.</p>
      <Touched instances={instances} taskIds={open} what="will be ended" />
      <form method="post">
        <Decide run={run} danger disabled={run.end_date !== null}>
          Cancel the run
        </Decide>
      </form>
    </OperatePage>,
  )
})

operatePages.post(`${RUN}/cancel`, async (c) => {
  const { run } = await findRun(c)
  const { taskIds } = await cancel(c.var.site.metadata, keyOf(run))
  told(c, run, 'cancelled', taskIds)
  return c.redirect(paths.run(run.dag_id, run.run_id), 303)
})
