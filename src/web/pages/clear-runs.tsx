/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { hash } from 'node:crypto'
import { Hono } from 'hono'
import { RUN_TYPES, type RunType } from '../../dag/state.ts'
import { UsageError } from '../../errors.ts'
import { type ClearedRun, clearRuns } from '../../operations/clear-runs.ts'
import { taskNames } from '../../operations/task-names.ts'
import { beginning, SHOWN } from '../excerpt.ts'
import { loadedDag, requireLoadedDag } from '../find.ts'
import { readForm } from '../form.ts'
import { instantOf } from '../instant-field.ts'
import { Page } from '../layout.tsx'
import { Empty, Notice, Table } from '../parts.tsx'
import { paths } from '../paths.ts'
import { requireRole } from '../rights.ts'
import { logCleared } from '../run-changes.ts'
import { RunName } from '../run-name.tsx'
import type { WebContext, WebEnv } from '../site.ts'
import { number, runsOf, tasksOf } from './pick.tsx'
import { Choice, same, TimeField, TypeChoice } from './runs.tsx'

/** Clears the ended runs of a dag that match a filter. The page first shows these runs and their tasks. */
export const clearRunsPages = new Hono<WebEnv>()

const PATH = '/dags/:dag/clear'
clearRunsPages.use(PATH, requireRole('operator'), requireLoadedDag)

const STATES = ['failed', 'success'] as const

/** As the form gives it. */
interface Given {
  /** Null: runs in both states. */
  state: (typeof STATES)[number] | null
  type: RunType | null
  /** The range of logical dates, UTC; '' without an end. */
  from: string
  to: string
  onlyFailed: boolean
  withCurrentGraph: boolean
}

function givenBy(field: (name: string) => string | undefined): Given {
  const text = (name: string) => (field(name) ?? '').trim()
  return {
    state: STATES.find((one) => one === (field('state') ?? 'failed')) ?? null,
    type: RUN_TYPES.find((one) => one === field('type')) ?? null,
    from: text('from'),
    to: text('to'),
    onlyFailed: field('only_failed') === 'yes',
    withCurrentGraph: field('with_current_graph') === 'yes',
  }
}

interface Found {
  runs: ClearedRun[]
  problem?: string | undefined
}

/** Clears the runs. With `dryRun`, only finds them. */
async function clearBy(c: WebContext, given: Given, dryRun: boolean): Promise<Found> {
  const { state, type: runType, from, to, onlyFailed, withCurrentGraph } = given
  const dag = loadedDag(c)
  // Without this end of the range, more runs would match.
  const wrong = [from, to].find((text) => text !== '' && instantOf(text) === undefined)
  if (wrong !== undefined)
    return { runs: [], problem: `'${wrong.slice(0, 40)}' is not a date and time; write it as 2026-01-31T17:10.` }
  const filter = { dagId: dag.id, state, runType, since: instantOf(from) ?? null, until: instantOf(to) ?? null }
  const options = { onlyFailed, dryRun, current: withCurrentGraph ? dag : undefined }
  try {
    return { runs: await clearRuns(c.var.site.metadata, filter, options) }
  } catch (error) {
    if (error instanceof UsageError) return { runs: [], problem: error.message }
    throw error
  }
}

clearRunsPages.get(PATH, async (c) => {
  const given = givenBy((name) => c.req.query(name))
  return c.html(<ClearRunsPage c={c} given={given} found={await clearBy(c, given, true)} />)
})

clearRunsPages.post(PATH, async (c) => {
  const field = await readForm(c)
  const given = givenBy(field)
  const before = await clearBy(c, given, true)
  const changed = field('seen') === seenOf(before.runs) ? undefined : 'Other runs match now. Nothing was cleared.'
  const problem = before.problem ?? changed
  if (problem !== undefined) return c.html(<ClearRunsPage c={c} given={given} found={{ ...before, problem }} />, 409)
  const { runs } = await clearBy(c, given, false)
  const refused = runs.filter(({ error }) => error !== null)
  logCleared(c, loadedDag(c).id, runs)
  if (refused.length === 0) return c.redirect(paths.dag(loadedDag(c).id), 303)
  const left = { runs: refused, problem: `${runsOf(refused.length)} could not be cleared. The others were cleared.` }
  return c.html(<ClearRunsPage c={c} given={given} found={left} />, 409)
})

/** Identifies the runs and tasks that the user has seen. A confirmation of others is refused. */
function seenOf(runs: readonly ClearedRun[]): string {
  return hash('sha1', JSON.stringify(runs), 'base64url')
}

function countTasks(runs: readonly ClearedRun[]): number {
  return runs.reduce((total, { taskIds }) => total + taskIds.length, 0)
}

interface ClearRunsProps {
  c: WebContext
  given: Given
  found: Found
}

function ClearRunsPage({ c, given, found: { runs, problem } }: ClearRunsProps) {
  const { id } = loadedDag(c)
  const tasks = countTasks(runs)
  return (
    <Page c={c} title={`Clear runs of ${id}`}>
      <p class="crumbs">
        <a href="/dags">Pipelines</a> / <a href={paths.dag(id)}>{id}</a>
      </p>
      <div class="stack">
        <h1>Clear runs</h1>
        <p>
          These tasks run again in the same runs. Earlier tries and logs are kept. The outputs of these tasks are
          deleted. Runs that have not ended are not cleared.
        </p>
        <Filter given={given} />
        {problem && <Notice kind="bad">{problem}</Notice>}
        {runs.length === 0 ? (
          <Empty title="No run would change" />
        ) : (
          <Runs dagId={id} runs={runs} scrub={c.var.site.scrub} />
        )}
        <form method="post">
          {Object.entries(fieldsOf(given)).map(([name, value]) => (
            <input type="hidden" name={name} value={value} />
          ))}
          <input type="hidden" name="seen" value={seenOf(runs)} />
          <p class="actions decide">
            <button type="submit" class="main" disabled={tasks === 0}>
              {`Clear ${tasksOf(tasks)} of ${runsOf(runs.length)}`}
            </button>
            <a class="button" href={paths.dag(id)}>
              Cancel
            </a>
          </p>
        </form>
      </div>
    </Page>
  )
}

function fieldsOf({ state, type, from, to, onlyFailed, withCurrentGraph }: Given): Record<string, string> {
  const flags = { only_failed: onlyFailed, with_current_graph: withCurrentGraph }
  const set = Object.entries(flags).flatMap(([name, isOn]) => (isOn ? [[name, 'yes']] : []))
  return { state: state ?? '', type: type ?? '', from, to, ...Object.fromEntries(set) }
}

function Filter({ given: { state, type, from, to, onlyFailed, withCurrentGraph } }: { given: Given }) {
  return (
    <form>
      <div class="bar-form filters">
        <Choice name="state" label="State" any="both states" value={state} of={STATES.map(same)} />
        <TypeChoice value={type} />
        <TimeField name="from" label="Logical date from (UTC)" value={from} />
        <TimeField name="to" label="Logical date to (UTC)" value={to} />
        <button type="submit">Show the runs</button>
      </div>
      <div class="choices">
        <label>
          <input type="checkbox" name="only_failed" value="yes" checked={onlyFailed} data-submit /> only failed tasks
          and tasks that could not run because of them
        </label>
        <label>
          <input type="checkbox" name="with_current_graph" value="yes" checked={withCurrentGraph} data-submit /> give
          the runs the tasks of the current code, for example after a task was renamed
        </label>
      </div>
    </form>
  )
}

const MOST_LISTED = 50
const MOST_NAMED = 10

interface RunsProps {
  dagId: string
  runs: readonly ClearedRun[]
  scrub: (text: string) => string
}

function Runs({ dagId, runs, scrub }: RunsProps) {
  return (
    <section>
      <Table name="Runs" columns={['Run', 'Tasks that run again']}>
        {runs.slice(0, MOST_LISTED).map(({ runId, taskIds, error }) => (
          <tr>
            <th scope="row">
              <a href={paths.run(dagId, runId)}>
                <RunName run={{ run_id: runId }} />
              </a>
            </th>
            <td class="reason" data-label="Tasks">
              {error === null ? listed(taskNames(taskIds)) : beginning(error, SHOWN.sentence, scrub)}
            </td>
          </tr>
        ))}
      </Table>
      {runs.length > MOST_LISTED && <p class="sub below">and {runsOf(runs.length - MOST_LISTED)} more</p>}
    </section>
  )
}

function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMED
  return `${names.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${number(more)} more` : ''}`
}
