/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { TASK_INSTANCE_STATES, type TaskInstanceState } from '../../dag/state.ts'
import { SearchInput, StateMark } from '../parts.tsx'
import type { WebContext } from '../site.ts'

/** The reader's choice if there are many tasks: a search, a state and a page. */
export interface Pick {
  /** Part of the id. */
  search: string
  state: TaskInstanceState | null
  /** From 1. */
  page: number
}

export function pickOf(c: WebContext): Pick {
  const page = c.req.query('page') ?? ''
  return {
    search: (c.req.query('search') ?? '').trim().slice(0, 250),
    state: TASK_INSTANCE_STATES.find((one) => one === c.req.query('state')) ?? null,
    page: /^[1-9]\d{0,5}$/.test(page) ? Number(page) : 1,
  }
}

export interface Picked<T> {
  pick: Pick
  shown: readonly T[]
  /** The index of the first shown task in the list of matching tasks. */
  first: number
  matching: number
  total: number
  counts: ReadonlyMap<TaskInstanceState, number>
}

interface Pickable {
  task_id: string
  state?: TaskInstanceState
}

/** One page of the matching tasks. A page number after the last means the last page. */
export function picked<T extends Pickable>(all: readonly T[], pick: Pick, most: number): Picked<T> {
  const search = pick.search.toLowerCase()
  const found = all.filter(({ task_id }) => task_id.toLowerCase().includes(search))
  const counts = new Map<TaskInstanceState, number>()
  for (const { state } of found) if (state) counts.set(state, (counts.get(state) ?? 0) + 1)
  const matching = found.filter(({ state }) => pick.state === null || state === pick.state)
  const page = Math.min(pick.page, Math.max(1, Math.ceil(matching.length / most)))
  const first = (page - 1) * most
  const shown = matching.slice(first, first + most)
  return { pick: { ...pick, page }, shown, first, matching: matching.length, total: all.length, counts }
}

/** Says which tasks are shown and offers a search. Empty if all tasks are shown. */
export function PickBar<T>({ picked }: { picked: Picked<T> }) {
  const { pick, shown, first, matching, total, counts } = picked
  if (total === shown.length) return null
  const places = shown.length === 0 ? 'No task' : `Tasks ${number(first + 1)}–${number(first + shown.length)}`
  const of =
    matching === total ? `of ${number(total)}` : `of ${number(matching)} matching, of ${number(total)} in total`
  return (
    <div class="pick">
      <form class="bar-form">
        <SearchInput id="pick-search" value={pick.search} label="Part of a task's id" hx-preserve="true" />
        {pick.state && <input type="hidden" name="state" value={pick.state} />}
        <button type="submit">Search</button>
        {(pick.search !== '' || pick.state !== null) && <a href="?">Show all</a>}
      </form>
      {counts.size > 1 || pick.state !== null ? <StateLinks pick={pick} counts={counts} /> : null}
      <p class="sub">
        {places} {of}. Search by part of the id{counts.size > 1 && ', or choose a state'}.
      </p>
    </div>
  )
}

function StateLinks({ pick, counts }: { pick: Pick; counts: Picked<unknown>['counts'] }) {
  return (
    <nav class="pick-states" aria-label="Tasks by state">
      {[...counts].map(([state, count]) => (
        <a href={hrefOf({ ...pick, state, page: 1 })} aria-current={state === pick.state ? 'page' : undefined}>
          {number(count)}&nbsp;
          <StateMark state={state} />
        </a>
      ))}
    </nav>
  )
}

/** Links to the other pages, below the tasks. */
export function PickPager<T>({ picked, most }: { picked: Picked<T>; most: number }) {
  const { pick, matching } = picked
  const last = Math.ceil(matching / most)
  if (last <= 1) return null
  return (
    <nav class="pager" aria-label="Pages of tasks">
      {pick.page > 1 && (
        <a class="button" rel="prev" href={hrefOf({ ...pick, page: pick.page - 1 })}>
          Earlier tasks
        </a>
      )}
      <span class="muted">
        Page {pick.page} of {last}
      </span>
      {pick.page < last && (
        <a class="button" rel="next" href={hrefOf({ ...pick, page: pick.page + 1 })}>
          More tasks
        </a>
      )}
    </nav>
  )
}

function hrefOf({ search, state, page }: Pick): string {
  const query = new URLSearchParams({
    ...(search !== '' && { search }),
    ...(state !== null && { state }),
    ...(page > 1 && { page: String(page) }),
  })
  return `?${query}`
}

/** `5,000` */
export function number(value: number): string {
  return value.toLocaleString('en')
}

/** `1 run`, `5,000 runs` */
export function runsOf(count: number): string {
  return `${number(count)} ${count === 1 ? 'run' : 'runs'}`
}

/** `1 task`, `5,000 tasks` */
export function tasksOf(count: number): string {
  return `${number(count)} ${count === 1 ? 'task' : 'tasks'}`
}
