/** @jsxRuntime automatic @jsxImportSource hono/jsx */

import { raw } from 'hono/html'
import { humanDuration, preciseDuration } from '../../duration.ts'
import type { RunRow } from '../../operations/list-runs.ts'
import { type Row, toggled } from '../fold-groups.ts'
import { Duration, durationOf, Id, Scroll, stateWords } from '../parts.tsx'
import { paths } from '../paths.ts'
import type { GridCell } from '../queries/runs.ts'
import { RunName } from '../run-name.tsx'
import type { TaskCodes } from '../task-codes.ts'
import type { Chosen } from './grid-details.tsx'
import { number, tasksOf } from './pick.tsx'

/** These limit the size of the page for a dag with many tasks. */
export const MOST_ROWS = 100
const MOST_COLUMNS = 60
/** Bytes of all cells. */
const MOST_BYTES = 118_000
/** Bytes of the head of a column, and of a cell without the filters. */
const [HEAD_BYTES, CELL_BYTES] = [340, 63]

/** `elements`: `412 of 500`. */
export type ShownCell = Omit<GridCell, 'try_number'> & { try_number?: number; elements?: string }

/**
 * The number of runs that the page can hold. The browser shows the newest ones that fit and scrolls to the others,
 * because the server does not know the width of the screen.
 *
 * @param base the query that each cell repeats
 */
export function columnsFor(rows: readonly Row[], base: string): number {
  const column = HEAD_BYTES + Math.min(rows.length, MOST_ROWS) * (CELL_BYTES + base.length)
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
  codes: TaskCodes
}

/** Runs are columns, tasks and groups are rows. A link in it reloads only the live part, so the page does not scroll. */
export function Grid({ dagId, rows, runs, cells, filters, base, at, codes }: GridProps) {
  const byRun = new Map(cells.map((cell) => [`${cell.run}/${cell.task_id}`, cell]))
  const known = new Set(rows.map(({ id }) => id))
  const others = new Set(cells.map(({ task_id }) => task_id).filter((id) => !known.has(id)))
  const all: Row[] = [...rows, ...[...others].map((id) => ({ id, open: false, depth: 0 }))]
  const longest = Math.max(1, ...runs.map((run) => durationOf(run.start_date, run.end_date) ?? 0))
  const prefix = `${base === '?' ? '?' : `${base}&`}at=`
  const chosen = `${at?.run.id}/${at?.instance?.task_id}`
  const cellOf = (run: RunRow, { id, members }: Row) => {
    const cell = byRun.get(`${run.id}/${id}`)
    const code = codes.codeOf(id)
    const task = code === undefined ? `/${encodeURIComponent(id)}` : `.${code}`
    const href = `${prefix}${run.id}${members ? '' : task}`
    return cell && cellText(cell, members?.length, href, `${run.id}/${id}` === chosen)
  }
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
                <th scope="row" class={classOf(row)}>
                  {row.members ? <GroupLink row={row} href={toggled(rows, row, filters)} /> : <Id id={row.id} />}
                </th>
                {/* The end tag of a cell is optional. */}
                {raw(runs.map((run) => `<td>${cellOf(run, row) ?? ''}`).join(''))}
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

/** Characters of a task id that stays on one line on a wide screen. */
const MOST_ON_ONE_LINE = 24

function classOf({ id, depth }: Row): string | undefined {
  const classes = [depth > 0 && `depth-${Math.min(3, depth)}`, id.length <= MOST_ON_ONE_LINE && 'short']
  return classes.filter(Boolean).join(' ') || undefined
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
      title={`${run.run_id}: ${run.state}, ${preciseDuration(ms)}`}
      aria-current={isChosen ? 'true' : undefined}
    >
      <span class="run-label">
        <RunName run={run} title={null} />
      </span>
      <svg aria-hidden="true">
        <rect class={run.state} y={60 - height} height={height} />
      </svg>
    </a>
  )
}

/**
 * Text, because a page has hundreds of cells, and short: the row names the task, and `success` needs no class. The tab
 * key skips the cells: keyboard users choose a run, and then its tasks.
 *
 * @param tasks the number of tasks of a group
 */
function cellText(cell: ShownCell, tasks: number | undefined, href: string, isChosen: boolean): string {
  const { state, try_number = 1, duration_ms, elements } = cell
  const details = [
    stateWords(state),
    tasks !== undefined && tasksOf(tasks),
    elements,
    try_number > 1 && `try ${try_number}`,
    duration_ms !== null && humanDuration(duration_ms),
  ]
  const shown = state === 'success' ? '' : `class=${state} `
  const current = isChosen ? ' aria-current=true' : ''
  // States are plain words, and an encoded query has no quotes.
  return `<a ${shown}href="${href.replaceAll('&', '&amp;')}" tabindex=-1 title="${details.filter(Boolean).join(', ')}"${current}></a>`
}
