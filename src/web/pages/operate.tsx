/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { isTerminal } from '../../dag/state.ts'
import { cancel, clear, mark, type Selection } from '../../runner/operate.ts'
import { atLeast, findRun, loadedDag, paths } from '../find.ts'
import { Page } from '../layout.tsx'
import { Empty, Notice, StateMark } from '../parts.tsx'
import { badRequest } from '../problem.tsx'
import type { InstanceRow, RunRow, WholeRun } from '../queries/runs.ts'
import type { WebContext, WebEnv } from '../site.ts'

/** Clear, mark, cancel: each first shows what it will touch. */
export const operatePages = new Hono<WebEnv>()

const RUN = '/dags/:dag/runs/:run'
for (const path of ['clear', 'mark', 'cancel']) operatePages.use(`${RUN}/${path}`, atLeast('operator'))

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
  const form = await c.req.parseBody({ all: true })
  const given: ClearForm = {
    task: [form.task ?? []].flat().map(String),
    downstream: form.downstream === 'yes',
    onlyFailed: form.only_failed === 'yes',
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

function told(c: WebContext, run: RunRow, done: string, taskIds: readonly string[]): void {
  const { site, viewer } = c.var
  site.log.info(
    { dag_id: run.dag_id, run_id: run.run_id, tasks: taskIds.join(), user: viewer.name },
    `${done} on the page`,
  )
}

interface ClearProps {
  c: WebContext
  whole: WholeRun
  given: ClearForm
  taskIds: readonly string[]
}

function ClearPage({ c, whole: { run, instances }, given, taskIds }: ClearProps) {
  const { task, downstream, onlyFailed } = given
  return (
    <OperatePage c={c} run={run} title={task.length > 0 ? `Clear ${task.join(', ')}` : 'Clear tasks'}>
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
          {`Clear ${taskIds.length} task${taskIds.length === 1 ? '' : 's'}`}
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

const MARKS = ['success', 'failed', 'skipped'] as const
export type Mark = (typeof MARKS)[number]

operatePages.get(`${RUN}/mark`, async (c) => {
  const { run, instances } = await findRun(c)
  const taskId = c.req.query('task') ?? ''
  return c.html(<MarkPage c={c} run={run} instance={instanceOf(instances, taskId)} />)
})

operatePages.post(`${RUN}/mark`, async (c) => {
  const { run, instances } = await findRun(c)
  const form = await c.req.parseBody()
  const instance = instanceOf(instances, String(form.task))
  const state = MARKS.find((one) => one === form.state)
  const value = String(form.value ?? '').trim()
  try {
    if (state === undefined) throw badRequest('Choose how it ended.')
    const given = value === '' ? undefined : parsed(value)
    const { taskIds } = await mark(c.var.site.metadata, loadedDag(c), run.run_id, instance.task_id, state, given)
    told(c, run, `marked ${state}`, taskIds)
    return c.redirect(paths.run(run.dag_id, run.run_id), 303)
  } catch (error) {
    const problem = (error as Error).message
    if (!(error as { code?: string }).code?.match(/^(usage|http_problem)$/)) throw error
    return c.html(<MarkPage c={c} run={run} instance={instance} given={{ state, value, problem }} />, 400)
  }
})

function parsed(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch {
    throw badRequest('The output is not JSON; a text needs quotes.')
  }
}

function instanceOf(instances: readonly InstanceRow[], taskId: string): InstanceRow {
  const found = instances.find(({ task_id }) => task_id === taskId)
  if (found === undefined) throw badRequest(`This run has no task '${taskId}'.`)
  return found
}

interface MarkProps {
  c: WebContext
  run: RunRow
  instance: InstanceRow
  given?: { state: Mark | undefined; value: string; problem: string }
}

function MarkPage({ c, run, instance, given }: MarkProps) {
  const output = c.var.site.dags.get(run.dag_id)?.tasks.get(instance.task_id)?.output
  return (
    <OperatePage c={c} run={run} title={`Mark ${instance.task_id}`}>
      <p>
        Says how the task ended instead of running it. It is <StateMark state={instance.state} /> now. What hangs on it
        and failed, or could not run, is judged anew, and the run goes on.
      </p>
      {given && <Notice kind="bad">{given.problem}</Notice>}
      <form method="post">
        <input type="hidden" name="task" value={instance.task_id} />
        <fieldset class="choices">
          <legend class="hidden">How it ended</legend>
          {MARKS.map((state) => (
            <label>
              <input type="radio" name="state" value={state} required checked={given?.state === state} />
              <StateMark state={state} />
            </label>
          ))}
        </fieldset>
        {output && (
          <div class="field">
            <label for="value">Output, for success</label>
            <p class="hint" id="value-hint">
              JSON. The task declares an output, which its downstream tasks are given.
            </p>
            <textarea id="value" name="value" rows={4} aria-describedby="value-hint">
              {given?.value ?? ''}
            </textarea>
          </div>
        )}
        <Decide run={run}>Mark it</Decide>
      </form>
    </OperatePage>
  )
}

function OperatePage({ c, run, title, children }: { c: WebContext; run: RunRow; title: string; children?: unknown }) {
  return (
    <Page c={c} title={title}>
      <p class="crumbs">
        <a href="/dags">Pipelines</a> / <a href={paths.dag(run.dag_id)}>{run.dag_id}</a> /{' '}
        <a href={paths.run(run.dag_id, run.run_id)}>{run.run_id}</a>
      </p>
      <div class="narrow">
        <h1>{title}</h1>
        {children as never}
      </div>
    </Page>
  )
}

interface TouchedProps {
  instances: readonly InstanceRow[]
  taskIds: readonly string[]
  what: string
}

function Touched({ instances, taskIds, what }: TouchedProps) {
  if (taskIds.length === 0) return <Empty title="That touches no task" />
  return (
    <section class="card touched" aria-label="What this touches">
      <p>{`${taskIds.length} of ${instances.length} tasks ${what}:`}</p>
      <ul>
        {instances
          .filter(({ task_id }) => taskIds.includes(task_id))
          .map(({ task_id, state }) => (
            <li>
              <span class="id">{task_id}</span> <StateMark state={state} />
            </li>
          ))}
      </ul>
    </section>
  )
}

interface DecideProps {
  run: RunRow
  disabled?: boolean
  danger?: boolean
  children?: unknown
}

function Decide({ run, disabled = false, danger = false, children }: DecideProps) {
  return (
    <p class="actions decide">
      <button type="submit" class={danger ? 'danger' : 'main'} disabled={disabled}>
        {children as never}
      </button>
      <a class="button" href={paths.run(run.dag_id, run.run_id)}>
        Leave it
      </a>
    </p>
  )
}
