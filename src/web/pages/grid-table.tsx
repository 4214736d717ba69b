/** @jsxRuntime automatic @jsxImportSource hono/jsx */

import { raw } from 'hono/html'
import { humanDuration } from '../../duration.ts'
import type { RunRow } from '../../operations/list-runs.ts'
import { type Row, toggled } from '../fold-groups.ts'
import { Duration, durationOf, Id, Scroll, stateWords } from '../parts.tsx'
import { paths } from '../paths.ts'
import type { GridCell } from '../queries/runs.ts'
import { RunName, runName } from '../run-name.tsx'
import type { Chosen } from './grid-details.tsx'
import { number, tasksOf } from './pick.tsx'

/** These limit the size of the page for a dag with many tasks. */
export const MOST_ROWS = 100
const MOST_COLUMNS = 60
/** Bytes of all cells. */
const MOST_BYTES = 118_000
/** Bytes of the head of a column, and of a cell without the id of its task and without the filters. */
const [HEAD_BYTES, CELL_BYTES] = [550, 76]
/** Characters of the id of a task in the tooltip of a cell. */
const MOST_TITLE = 40

/** `elements`: `412 of 500`. */
export type ShownCell = Omit<GridCell, 'try_number'> & { try_number?: number; elements?: string }

/**
 * The number of runs that the page can hold. The browser shows the newest ones that fit and scrolls to the others,
 * because the server does not know the width of the screen.
 *
 * @param base the query that each cell repeats
 */
export function columnsFor(rows: readonly Row[], base: string): number {
  const column = rows
    .slice(0, MOST_ROWS)
    .reduce((sum, { id }) => sum + CELL_BYTES + id.length + Math.min(id.length, MOST_TITLE) + base.length, HEAD_BYTES)
  const most = rows.length === 0 ? 25 : MOST_COLUMNS
  return Math.max(5, Math.min(most, Math.floor(MOST_BYTES / column)))
}

interface GridProps {
  dagId: string
  rows: readonly Row[]
  /** Oldest first. */
  runs: readonly RunRow[]
  cells: readonly ShownCell[]
  /** Of the page; links keep them. */
  filters: Readonly<Record<string, string>>
  /** The query of the page without the chosen run or task. */
  base: string
  at: Chosen | undefined
}

/** Runs are columns, tasks and groups are rows. A link in it reloads only the live part, so the page does not scroll. */
export function Grid({ dagId, rows, runs, cells, filters, base, at }: GridProps) {
  const byRun = new Map(cells.map((cell) => [`${cell.run}/${cell.task_id}`, cell]))
  const known = new Set(rows.map(({ id }) => id))
  const others = new Set(cells.map(({ task_id }) => task_id).filter((id) => !known.has(id)))
  const all: Row[] = [...rows, ...[...others].map((id) => ({ id, open: false, depth: 0 }))]
  const longest = Math.max(1, ...runs.map((run) => durationOf(run.start_date, run.end_date) ?? 0))
  const prefix = `${base === '?' ? '?' : `${base}&`}at=`
  const cellOf = (run: RunRow, row: Row) =>
    cellText(byRun.get(`${run.id}/${row.id}`), row.members?.length, prefix, `${at?.run.id}/${at?.instance?.task_id}`)
  return (
    <section
      class="grid-part"
      aria-label="Runs and tasks"
      hx-boost="true"
      hx-target="#live"
      hx-select="#live"
      hx-swap="outerHTML show:none"
    >
      <Scroll name="Grid" fitting>
        <table class="grid">
          <thead>
            <tr>
              <th scope="col">
                <span class="sub">
                  longest <Duration ms={longest} />
                </span>
              </th>
              {runs.map((run) => (
                <th scope="col">
                  <RunHead run={run} longest={longest} href={`${prefix}${run.id}`} isChosen={run.id === at?.run.id} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {all.slice(0, MOST_ROWS).map((row) => (
              <tr>
                <th scope="row" class={row.depth > 0 ? `depth-${Math.min(3, row.depth)}` : undefined}>
                  {row.members ? <GroupLink row={row} href={toggled(rows, row, filters)} /> : <Id id={row.id} />}
                </th>
                {raw(runs.map((run) => `<td>${cellOf(run, row)}`).join(''))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {all.length > MOST_ROWS && (
        <p class="sub">
          {number(all.length - MOST_ROWS)} more tasks. To find them, open a run or the{' '}
          <a href={paths.dag(dagId, 'graph')} hx-boost="false">
            graph
          </a>{' '}
          and search by part of the task id.
        </p>
      )}
    </section>
  )
}

function GroupLink({ row, href }: { row: Row; href: string }) {
  return (
    <a class="group-link" href={href} aria-expanded={row.open}>
      <Id id={row.id} />
      <span class="sub">{tasksOf(row.members?.length ?? 0)}</span>
    </a>
  )
}

interface RunHeadProps {
  run: RunRow
  /** In ms. */
  longest: number
  href: string
  isChosen: boolean
}

/** The name of the run, upright, above its duration as a bar. */
function RunHead({ run, longest, href, isChosen }: RunHeadProps) {
  const ms = durationOf(run.start_date, run.end_date) ?? 0
  const height = Math.max(4, Math.round((ms / longest) * 56))
  return (
    <a
      class="run-bar"
      id={`run-${run.id}`}
      href={href}
      title={`${runName(run)}: ${run.state}, ${humanDuration(ms)}`}
      aria-current={isChosen ? 'true' : undefined}
    >
      <span class="run-label">
        <RunName run={run} />
      </span>
      <svg width="18" height="60" role="img" aria-label={`${run.state}, ${humanDuration(ms)}`}>
        <rect class={run.state} x="2" y={60 - height} width="14" height={height} rx="2" />
      </svg>
    </a>
  )
}

/**
 * Text, because a page has hundreds of cells. The tab key skips them: keyboard users choose a run, and then its tasks.
 *
 * @param tasks the number of tasks of a group
 * @param chosen `17/extract`
 */
function cellText(cell: ShownCell | undefined, tasks: number | undefined, prefix: string, chosen: string): string {
  if (cell === undefined) return ''
  const { run, task_id, state, try_number = 1, duration_ms, elements } = cell
  const details = [
    stateWords(state),
    tasks !== undefined && tasksOf(tasks),
    elements,
    try_number > 1 && `try ${try_number}`,
    duration_ms !== null && humanDuration(duration_ms),
  ]
  const title = `${task_id.length > MOST_TITLE ? `${task_id.slice(0, MOST_TITLE - 1)}…` : task_id}: ${details.filter(Boolean).join(', ')}`
  const at = tasks === undefined ? `${run}/${encodeURIComponent(task_id)}` : run
  const current = `${run}/${task_id}` === chosen ? ' aria-current=true' : ''
  const href = `${prefix}${at}`.replaceAll('&', '&amp;')
  // States are plain words; an encoded query has no quotes. A title contains a task id that an older version stored.
  return `<a class=${state} href="${href}" tabindex=-1 title="${escaped(title)}"${current}></a>`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;')
}
