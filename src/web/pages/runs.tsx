/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { DAG_RUN_STATES, type DagRunState, RUN_TYPES, type RunType } from '../../dag/state.ts'
import { readWaiting } from '../../maintenance/stays-queued.ts'
import { type RunRow, readRuns } from '../../operations/list-runs.ts'
import { instantOf } from '../instant-field.ts'
import { Page, Title } from '../layout.tsx'
import { Empty } from '../parts.tsx'
import { matchingDags } from '../queries/dags.ts'
import { typeName } from '../run-name.tsx'
import type { WebContext, WebEnv } from '../site.ts'
import { RunTable } from './run-table.tsx'

/** The runs of all dags. */
export const allRunsPages = new Hono<WebEnv>()

const PAGE = 50

/** The choices of the time filter, in ms. */
const WITHIN: Readonly<Record<string, { ms: number; words: string }>> = {
  '1h': { ms: 3_600_000, words: 'last hour' },
  '1d': { ms: 86_400_000, words: 'last 24 hours' },
  '7d': { ms: 7 * 86_400_000, words: 'last 7 days' },
}

interface Filter {
  /** Part of a dag's id, or a whole one. */
  dag: string
  state: DagRunState | null
  type: RunType | null
  /** A key of `WITHIN`, or ''. */
  within: string
  /** As the form gives them; '' without one. UTC. */
  from: string
  to: string
}

function filterOf(c: WebContext): Filter {
  const asked = (name: string) => (c.req.query(name) ?? '').trim().slice(0, 250)
  return {
    dag: asked('dag'),
    state: DAG_RUN_STATES.find((one) => one === asked('state')) ?? null,
    type: RUN_TYPES.find((one) => one === asked('type')) ?? null,
    within: Object.hasOwn(WITHIN, asked('within')) ? asked('within') : '',
    from: instantOf(asked('from')) ? asked('from') : '',
    to: instantOf(asked('to')) ? asked('to') : '',
  }
}

allRunsPages.get('/runs', async (c) => {
  const { site } = c.var
  const filter = filterOf(c)
  const before = /^\d{1,15}$/.test(c.req.query('before') ?? '') ? Number(c.req.query('before')) : null
  const mark = await site.markOf('dags', 'all')
  const found = await readMatching(c, filter, before)
  const shown = found.slice(0, PAGE)
  const waiting = await readWaiting(site.metadata, site.dags, shown)
  const older = found.length > PAGE ? shown.at(-1)?.id : undefined
  return c.html(
    <Page c={c} title="Runs">
      <Title text="Runs">All pipelines, newest first.</Title>
      <FilterForm filter={filter} />
      {shown.length === 0 ? (
        <NoRuns isFiltered={queryOf(filter) !== ''} />
      ) : (
        <RunTable runs={shown} waiting={waiting} scrub={site.scrub} allDags={{ mark }} />
      )}
      {(before !== null || older !== undefined) && (
        <nav class="pager" aria-label="Pages">
          {before !== null && <a href={`/runs?${queryOf(filter)}`}>Newest</a>}
          {older !== undefined && <a href={`/runs?${queryOf(filter, older)}`}>Older</a>}
        </nav>
      )}
    </Page>,
  )
})

async function readMatching(c: WebContext, filter: Filter, before: number | null): Promise<RunRow[]> {
  const { metadata, dags } = (c.var as WebEnv['Variables']).site
  const dagIds = filter.dag === '' ? null : await matchingDags(metadata, [...dags.keys()], filter.dag)
  const { ms } = WITHIN[filter.within] ?? {}
  const since = [ms === undefined ? 0 : Date.now() - ms, instantOf(filter.from)?.getTime() ?? 0]
  return await readRuns(metadata, {
    dagId: null,
    dagIds,
    state: filter.state,
    runType: filter.type,
    activeSince: new Date(Math.max(...since)),
    activeUntil: instantOf(filter.to) ?? null,
    before,
    limit: PAGE + 1,
  })
}

function queryOf(filter: Filter, before?: number): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries({ ...filter, before })) if (value) query.set(name, String(value))
  return query.toString()
}

function FilterForm({ filter }: { filter: Filter }) {
  const isFiltered = queryOf(filter) !== ''
  const hasRange = filter.from !== '' || filter.to !== ''
  return (
    <search>
      <form class="bar-form filters" action="/runs">
        <label class="over">
          Dag
          <input type="search" name="dag" value={filter.dag} placeholder="Part of its id" />
        </label>
        <Choice name="state" label="State" any="any state" value={filter.state} of={DAG_RUN_STATES.map(same)} />
        <TypeChoice value={filter.type} />
        <Choice
          name="within"
          label="Time"
          any="any time"
          value={filter.within}
          of={Object.entries(WITHIN).map(([value, { words }]) => [value, words] as const)}
        />
        <details class="range" open={hasRange}>
          <summary>Exact times</summary>
          <div class="range-fields">
            <TimeField name="from" label="From (UTC)" value={filter.from} />
            <TimeField name="to" label="To (UTC)" value={filter.to} />
          </div>
        </details>
        <button type="submit">Filter</button>
        {isFiltered && <a href="/runs">Show all</a>}
      </form>
    </search>
  )
}

export function TypeChoice({ value }: Pick<ChoiceProps, 'value'>) {
  const types = RUN_TYPES.map((one) => [one, typeName(one)] as const)
  return <Choice name="type" label="Type" any="any type" value={value} of={types} />
}

export function same<T extends string>(one: T): readonly [T, string] {
  return [one, one]
}

interface ChoiceProps {
  name: string
  label: string
  /** The text of no choice. */
  any: string
  value: string | null
  of: readonly (readonly [value: string, text: string])[]
}

export function Choice({ name, label, any, value, of }: ChoiceProps) {
  return (
    <label class="over">
      {label}
      <select name={name} data-submit>
        <option value="">{any}</option>
        {of.map(([one, text]) => (
          <option value={one} selected={one === value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  )
}

export function TimeField({ name, label, value }: { name: string; label: string; value: string }) {
  return (
    <label class="over">
      {label}
      <input type="datetime-local" name={name} value={value} />
    </label>
  )
}

function NoRuns({ isFiltered }: { isFiltered: boolean }) {
  if (!isFiltered) return <Empty title="No runs yet">Open a pipeline and press Trigger.</Empty>
  return (
    <Empty title="No run matches">
      <a href="/runs">Show all runs</a>
    </Empty>
  )
}
