/** @jsxRuntime automatic @jsxImportSource hono/jsx */

import { Hono } from 'hono'
import { commandFor } from '../../command-for.ts'
import type { DagRunState } from '../../dag/state.ts'
import { DAG_RUN_STATES } from '../../dag/state.ts'
import { readWaiting } from '../../maintenance/stays-queued.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { readRuns } from '../../operations/list-runs.ts'
import { findDag } from '../find.ts'
import { countOf } from '../fold-elements.ts'
import { openGroups, type Row, rowsOf, stateOfGroup } from '../fold-groups.ts'
import { Empty } from '../parts.tsx'
import { paths } from '../paths.ts'
import { notFound } from '../problem.tsx'
import { readElements, readGrid, readGroups, runById } from '../queries/runs.ts'
import { hasRole } from '../rights.ts'
import type { WebEnv } from '../site.ts'
import { codesOf } from '../task-codes.ts'
import { DagPage } from './dag-head.tsx'
import { GridDetails, readChosen } from './grid-details.tsx'
import { columnsFor, Grid, MOST_ROWS, type ShownCell } from './grid-table.tsx'
import { RunTable } from './run-table.tsx'

/** Runs in the list below the grid. */
const RUNS = 25

export const gridPages = new Hono<WebEnv>()

gridPages.get('/dags/:dag', async (c) => {
  const { site } = c.var
  const found = await findDag(c)
  const { dagId, dag } = found
  const mark = await site.markOf('dag', dagId)
  const state = DAG_RUN_STATES.find((one) => one === c.req.query('state')) ?? null
  const before = /^\d{1,15}$/.test(c.req.query('before') ?? '') ? Number(c.req.query('before')) : null
  const asked = c.req.queries('open') ?? []
  const rows = rowsOf(dag?.graph.nodes ?? [], openGroups(asked))
  // Each link repeats these, so they are never more than the open groups of the dag.
  const open = asked.includes('*') ? ['*'] : rows.filter((row) => row.open).map(({ id }) => id)
  const filters = { ...(state && { state }), ...(before && { before: String(before) }) }
  const withOpen = (query: Record<string, string>) =>
    `?${new URLSearchParams([...Object.entries(query), ...open.map((id): [string, string] => ['open', id])])}`
  const codes = codesOf(dag?.graph.taskIds ?? [])
  const [, run, code] = /^(\d{1,15})\.(.{4})$/.exec(c.req.query('at') ?? '') ?? []
  if (run !== undefined && code !== undefined) {
    const task = codes.taskOf(code)
    return c.redirect(withOpen({ ...filters, at: task === undefined ? run : `${run}/${task}` }))
  }
  const columns = columnsFor(rows, withOpen(filters))
  const runs = await readRuns(site.metadata, { dagId, state, before, limit: Math.max(columns, RUNS + 1) })
  const shown = runs.slice(0, RUNS)
  const waiting = await readWaiting(site.metadata, site.dags, shown)
  const inGrid = runs.slice(0, columns)
  const at = await readChosen(site.metadata, dagId, c.req.query('at'), inGrid[0])
  const cells = await readCells(
    site.metadata,
    inGrid.map(({ id }) => id),
    rows.slice(0, MOST_ROWS),
    (dag?.graph.nodes ?? []).filter(({ over }) => over !== undefined).map(({ id }) => id),
  )
  const older = runs.length > RUNS ? shown.at(-1)?.id : undefined
  return c.html(
    <DagPage c={c} found={found} tab="">
      <div id="live" class="stack" data-live={`dag/${dagId}`} data-mark={mark}>
        {shown.length === 0 ? (
          <NoRuns dagId={dagId} state={state} isLoaded={dag !== undefined} />
        ) : (
          <>
            <div class="grid-box">
              <Grid
                dagId={dagId}
                rows={rows}
                runs={[...inGrid].reverse()}
                cells={cells}
                filters={filters}
                base={withOpen(filters)}
                at={at}
                codes={codes}
              />
              {at && (
                <GridDetails c={c} at={at} waiting={at.instance ? null : waiting(at.run)} close={withOpen(filters)} />
              )}
            </div>
            <section>
              <div class="head tight">
                <h2>Runs</h2>
                <a href={`/runs?${new URLSearchParams({ dag: dagId })}`}>More filters</a>
                {dag && hasRole(c, 'operator') && <a href={paths.dag(dagId, 'clear')}>Clear runs…</a>}
                <StateFilter state={state} open={open} />
              </div>
              <RunTable runs={shown} waiting={waiting} scrub={site.scrub} />
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

function NoRuns({ dagId, state, isLoaded }: { dagId: string; state: DagRunState | null; isLoaded: boolean }) {
  if (state !== null)
    return (
      <Empty title={`No run is ${state}`}>
        <a href={paths.dag(dagId)}>Show all runs</a>
      </Empty>
    )
  if (!isLoaded) return <Empty title="No runs" />
  return (
    <Empty title="No runs yet">
      Press Trigger, or run it from a shell: <code>{commandFor(`pipeline ${dagId}`)}</code>
    </Empty>
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

/** Short addresses, because a grid has many links. */
gridPages.get('/runs/:id{[0-9]{1,15}}/:task?', async (c) => {
  const { id, task } = c.req.param()
  const run = await runById(c.var.site.metadata, Number(id))
  if (run === undefined) throw notFound('This run does not exist; it may have been deleted by db clean.')
  const { dag_id, run_id } = run
  return c.redirect(task === undefined ? paths.run(dag_id, run_id) : paths.task(dag_id, run_id, task))
})
