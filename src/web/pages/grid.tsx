/** @jsxRuntime automatic @jsxImportSource hono/jsx */

import { Hono } from 'hono'
import { commandFor } from '../../command-for.ts'
import type { DagRunState } from '../../dag/state.ts'
import { DAG_RUN_STATES } from '../../dag/state.ts'
import { humanDuration } from '../../duration.ts'
import { readWaiting } from '../../maintenance/stays-queued.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { type RunRow, readRuns } from '../../operations/list-runs.ts'
import { beginning, SHOWN } from '../excerpt.ts'
import { findDag } from '../find.ts'
import { countOf } from '../fold-elements.ts'
import { openGroups, type Row, rowsOf, stateOfGroup, toggled } from '../fold-groups.ts'
import { Duration, durationOf, Empty, Id, Scroll, StateIcon, StateMark, stateWords, Table, Time } from '../parts.tsx'
import { paths } from '../paths.ts'
import { notFound } from '../problem.tsx'
import { type GridCell, readElements, readGrid, readGroups, runById } from '../queries/runs.ts'
import { hasRole } from '../rights.ts'
import { RunName, runName } from '../run-name.tsx'
import type { WebEnv } from '../site.ts'
import { DagPage } from './dag-head.tsx'
import { number, tasksOf } from './pick.tsx'

/** These limit the size of the page for a dag with many tasks. */
const MOST_CELLS = 500
const MOST_ROWS = 100
const RUNS = 25

export const gridPages = new Hono<WebEnv>()

gridPages.get('/dags/:dag', async (c) => {
  const { site } = c.var
  const found = await findDag(c)
  const { dagId, dag } = found
  const mark = await site.markOf('dag', dagId)
  const state = DAG_RUN_STATES.find((one) => one === c.req.query('state')) ?? null
  const before = /^\d{1,15}$/.test(c.req.query('before') ?? '') ? Number(c.req.query('before')) : null
  const open = c.req.queries('open') ?? []
  const rows = rowsOf(dag?.graph.nodes ?? [], openGroups(open))
  const columns = Math.max(5, Math.min(RUNS, Math.floor(MOST_CELLS / Math.max(1, rows.length))))
  const runs = await readRuns(site.metadata, { dagId, state, before, limit: RUNS + 1 })
  const shown = runs.slice(0, RUNS)
  const waiting = await readWaiting(site.metadata, site.dags, shown)
  const inGrid = shown.slice(0, columns)
  const cells = await readCells(
    site.metadata,
    inGrid.map(({ id }) => id),
    rows.slice(0, MOST_ROWS),
    (dag?.graph.nodes ?? []).filter(({ over }) => over !== undefined).map(({ id }) => id),
  )
  const older = runs.length > RUNS ? shown.at(-1)?.id : undefined
  const filters = { ...(state && { state }), ...(before && { before: String(before) }) }
  const withOpen = (query: Record<string, string>) =>
    `?${new URLSearchParams([...Object.entries(query), ...open.map((id): [string, string] => ['open', id])])}`
  return c.html(
    <DagPage c={c} found={found} tab="">
      <div id="live" class="stack" data-live={`dag/${dagId}`} data-mark={mark}>
        {shown.length === 0 ? (
          <NoRuns dagId={dagId} state={state} />
        ) : (
          <>
            <Grid dagId={dagId} rows={rows} runs={[...inGrid].reverse()} cells={cells} filters={filters} />
            <section>
              <div class="head tight">
                <h2>Runs</h2>
                <a href={`/runs?${new URLSearchParams({ dag: dagId })}`}>More filters</a>
                {dag && hasRole(c, 'operator') && <a href={paths.dag(dagId, 'clear')}>Clear runs…</a>}
                <StateFilter state={state} open={open} />
              </div>
              <Runs runs={shown.map((run) => ({ ...run, reason: waiting(run) ?? run.reason }))} scrub={site.scrub} />
              <nav class="pager" aria-label="Pages">
                {before !== null && <a href={withOpen({ ...(state && { state }) })}>Newest</a>}
                {older !== undefined && <a href={withOpen({ ...filters, before: String(older) })}>Older</a>}
              </nav>
            </section>
          </>
        )}
      </div>
    </DagPage>,
  )
})

/** `elements`: `412 of 500`. */
type ShownCell = Omit<GridCell, 'try_number'> & { try_number?: number; elements?: string }

async function readCells(
  db: Metadata,
  runs: readonly number[],
  rows: readonly Row[],
  mapped: readonly string[],
): Promise<ShownCell[]> {
  const taskIds = rows.filter(({ members }) => members === undefined).map(({ id }) => id)
  const members = rows.flatMap(({ id, members = [] }) => members.map((taskId) => ({ group: id, taskId })))
  const ofGroups = await readGroups(db, runs, members)
  const ofElements = await readElements(
    db,
    runs,
    mapped.filter((id) => taskIds.includes(id)),
  )
  const onlyGroups = taskIds.length === 0 && members.length > 0
  return [
    ...(onlyGroups ? [] : await readGrid(db, runs, { taskIds, most: MOST_ROWS })),
    // The last cell of a task is shown.
    ...ofElements.map(({ states, ended, total, ...more }) => ({
      ...more,
      state: stateOfGroup(states),
      elements: countOf(ended, total),
    })),
    ...ofGroups.map(({ group, states, ...more }) => ({ ...more, task_id: group, state: stateOfGroup(states) })),
  ]
}

function NoRuns({ dagId, state }: { dagId: string; state: DagRunState | null }) {
  if (state !== null)
    return (
      <Empty title={`No run is ${state}`}>
        <a href={paths.dag(dagId)}>Show all runs</a>
      </Empty>
    )
  return (
    <Empty title="No runs yet">
      Press Trigger, or run it from a shell: <code>{commandFor(`pipeline ${dagId}`)}</code>
    </Empty>
  )
}

interface GridProps {
  dagId: string
  rows: readonly Row[]
  /** Oldest first. */
  runs: readonly RunRow[]
  cells: readonly ShownCell[]
  /** Of the page; links keep them. */
  filters: Readonly<Record<string, string>>
}

/** Runs are columns, tasks and groups are rows. */
function Grid({ dagId, rows, runs, cells, filters }: GridProps) {
  const byRun = new Map(cells.map((cell) => [`${cell.run}/${cell.task_id}`, cell]))
  const known = new Set(rows.map(({ id }) => id))
  const others = new Set(cells.map(({ task_id }) => task_id).filter((id) => !known.has(id)))
  const all: Row[] = [...rows, ...[...others].map((id) => ({ id, open: false, depth: 0 }))]
  const longest = Math.max(1, ...runs.map((run) => durationOf(run.start_date, run.end_date) ?? 0))
  return (
    <section>
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
                  <RunBar run={run} longest={longest} />
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
                {runs.map((run) => (
                  <td>
                    <Cell cell={byRun.get(`${run.id}/${row.id}`)} tasks={row.members?.length} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {all.length > MOST_ROWS && (
        <p class="sub">
          {number(all.length - MOST_ROWS)} more tasks. To find them, open a run or the{' '}
          <a href={paths.dag(dagId, 'graph')}>graph</a> and search by part of the task id.
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

function RunBar({ run, longest }: { run: RunRow; longest: number }) {
  const ms = durationOf(run.start_date, run.end_date) ?? 0
  const height = Math.max(4, Math.round((ms / longest) * 56))
  const label = `${run.state}, ${humanDuration(ms)}, ${runName(run)}`
  return (
    <a class="run-bar" href={`/runs/${run.id}`}>
      <svg width="18" height="60" aria-hidden="true">
        <rect class={run.state} x="2" y={60 - height} width="14" height={height} rx="2">
          <title>{label}</title>
        </rect>
      </svg>
      <span class="hidden">{label}</span>
    </a>
  )
}

/** The tab key skips cells, because there are hundreds of them. Keyboard users open the run first. */
function Cell({ cell, tasks }: { cell: ShownCell | undefined; tasks: number | undefined }) {
  if (cell === undefined) return null
  const { run, task_id, state, try_number = 1, duration_ms, elements } = cell
  const details = `${tasks === undefined ? '' : `, ${tasksOf(tasks)}`}${elements ? `, ${elements}` : ''}${try_number > 1 ? `, try ${try_number}` : ''}${duration_ms === null ? '' : `, ${humanDuration(duration_ms)}`}`
  return (
    <a
      class={`cell ${state}`}
      href={tasks === undefined ? `/runs/${run}/${task_id}` : `/runs/${run}`}
      tabindex={-1}
      title={`${task_id.length > 80 ? `${task_id.slice(0, 79)}…` : task_id}: ${stateWords(state)}${details}`}
    >
      <StateIcon state={state} />
    </a>
  )
}

function StateFilter({ state, open }: { state: DagRunState | null; open: readonly string[] }) {
  return (
    <form class="actions">
      {open.map((id) => (
        <input type="hidden" name="open" value={id} />
      ))}
      <label for="state" class="hidden">
        State
      </label>
      <select id="state" name="state" data-submit hx-preserve="true">
        <option value="">all states</option>
        {DAG_RUN_STATES.map((one) => (
          <option value={one} selected={one === state}>
            {one}
          </option>
        ))}
      </select>
      <noscript>
        <button type="submit">Show</button>
      </noscript>
    </form>
  )
}

function Runs({ runs, scrub }: { runs: readonly RunRow[]; scrub: (text: string) => string }) {
  return (
    <Table name="Runs" columns={['State', 'Run', 'Start', { number: 'Duration' }, 'Reason']} brief>
      {runs.map((run) => (
        <tr>
          <td class="fold-end">
            <StateMark state={run.state} />
          </td>
          <th scope="row">
            <a href={paths.run(run.dag_id, run.run_id)}>
              <RunName run={run} />
            </a>
          </th>
          <td data-label="Start">
            <Time at={run.start_date} show="ago" />
          </td>
          <td class="right" data-label="Duration">
            <Duration ms={durationOf(run.start_date, run.end_date)} />
          </td>
          <td class="reason">{run.reason && beginning(run.reason, SHOWN.listed, scrub)}</td>
        </tr>
      ))}
    </Table>
  )
}

/** Short addresses, because a grid has many links. */
gridPages.get('/runs/:id{[0-9]{1,15}}/:task?', async (c) => {
  const { id, task } = c.req.param()
  const run = await runById(c.var.site.metadata, Number(id))
  if (run === undefined) throw notFound('This run does not exist; it may have been deleted by db clean.')
  const { dag_id, run_id } = run
  return c.redirect(task === undefined ? paths.run(dag_id, run_id) : paths.task(dag_id, run_id, task))
})
