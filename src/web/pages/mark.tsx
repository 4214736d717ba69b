/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { taskOf, withElements } from '../../dag/map.ts'
import { readStates } from '../../operations/change-run.ts'
import { consequenceOf } from '../../operations/consequence.ts'
import type { InstanceRow, WholeRun } from '../../operations/list-runs.ts'
import { MARKS, type Mark, mark, type RunState } from '../../operations/operate.ts'
import { findRun, loadedDag } from '../find.ts'
import { readForm, whyNotStorable } from '../form.ts'
import { Notice, StateMark } from '../parts.tsx'
import { paths } from '../paths.ts'
import { badRequest } from '../problem.tsx'
import { requireRole } from '../rights.ts'
import { logChange } from '../run-changes.ts'
import type { WebContext, WebEnv } from '../site.ts'
import { Consequences } from './mark-preview.tsx'
import { Decide, OperatePage } from './operate-parts.tsx'

/** Marks a task as success, failed or skipped. */
export const markPages = new Hono<WebEnv>()

const MARK = '/dags/:dag/runs/:run/mark'
markPages.use(MARK, requireRole('operator'))

markPages.get(MARK, async (c) => {
  const whole = await findRun(c)
  const current = await currentStates(c, whole)
  return c.html(
    <MarkPage
      c={c}
      whole={whole}
      current={current}
      instance={instanceOf(whole.instances, c.req.query('task') ?? '')}
    />,
  )
})

markPages.post(MARK, async (c) => {
  const whole = await findRun(c)
  const { run } = whole
  const field = await readForm(c)
  const instance = instanceOf(whole.instances, field('task'))
  const state = MARKS.find((one) => one === field('state'))
  const value = field('value').trim()
  try {
    if (state === undefined) throw badRequest('Choose a state.')
    const given = value === '' ? undefined : parsed(value)
    const { taskIds } = await mark(c.var.site.metadata, loadedDag(c), run.run_id, instance.task_id, state, given)
    logChange(c, run, `marked ${state} on the page`, taskIds)
    return c.redirect(paths.run(run.dag_id, run.run_id), 303)
  } catch (error) {
    const problem = (error as Error).message
    if (!(error as { code?: string }).code?.match(/^(usage|http_problem)$/)) throw error
    const current = await currentStates(c, whole)
    return c.html(
      <MarkPage c={c} whole={whole} current={current} instance={instance} given={{ state, value, problem }} />,
      400,
    )
  }
})

function parsed(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw badRequest('The output is not JSON; put text in quotes.')
  }
  const why = whyNotStorable(value)
  if (why !== undefined) throw badRequest(`The output ${why}.`)
  return value
}

function instanceOf(instances: readonly InstanceRow[], taskId: string): InstanceRow {
  const found = instances.find(({ task_id }) => task_id === taskId)
  if (found === undefined) throw badRequest(`This run has no task '${taskId}'.`)
  return found
}

async function currentStates(c: WebContext, { run, nodes }: WholeRun): Promise<RunState> {
  const found = await readStates(c.var.site.metadata, run.id)
  return { runId: run.run_id, graph: withElements(nodes, Object.keys(found.states)), ...found }
}

interface MarkProps {
  c: WebContext
  whole: WholeRun
  current: RunState
  instance: InstanceRow
  given?: { state: Mark | undefined; value: string; problem: string }
}

function MarkPage({ c, whole, current, instance, given }: MarkProps) {
  const { run } = whole
  const dag = c.var.site.dags.get(run.dag_id)
  const { output, over, mapIndex } = (dag && taskOf(dag, instance.task_id)) ?? {}
  const hasOutput = output !== undefined && (over === undefined || mapIndex !== undefined)
  return (
    <OperatePage c={c} run={run} title={`Mark ${instance.task_id}`}>
      <p>
        Sets the state of the task without running it. It is <StateMark state={instance.state} /> now. Downstream tasks
        that failed or did not run are decided again, and the run continues. Each state has these effects:
      </p>
      {given && <Notice kind="bad">{given.problem}</Notice>}
      <form method="post">
        <input type="hidden" name="task" value={instance.task_id} />
        <fieldset class="choices">
          <legend class="hidden">New state</legend>
          {MARKS.map((state) => (
            <div>
              <label>
                <input
                  type="radio"
                  name="state"
                  value={state}
                  required
                  checked={given?.state === state}
                  aria-describedby={`follows-${state}`}
                />
                <StateMark state={state} />
              </label>
              <Consequences id={`follows-${state}`} consequence={consequenceOf(current, instance.task_id, state)} />
            </div>
          ))}
        </fieldset>
        {hasOutput && (
          <div class="field">
            <label for="value">Output, for success</label>
            <p class="hint" id="value-hint">
              JSON. The task declares an output, which its downstream tasks receive.
            </p>
            <textarea id="value" name="value" rows={4} aria-describedby="value-hint">
              {given?.value ?? ''}
            </textarea>
          </div>
        )}
        <Decide run={run}>Mark task</Decide>
      </form>
    </OperatePage>
  )
}
