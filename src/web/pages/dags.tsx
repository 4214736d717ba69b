/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import type { Dag } from '../../dag/dag.ts'
import { registerDag } from '../../metadata/dags.ts'
import { isAutomatic } from '../../operations/after-words.ts'
import { type NextRuns, noTickWords, readNextRuns } from '../../operations/next-runs.ts'
import { setPaused } from '../../operations/pause.ts'
import { countsInWords } from '../../operations/run-counts.ts'
import { loadedDag } from '../find.ts'
import { readForm } from '../form.ts'
import { Page, Title } from '../layout.tsx'
import { Empty, Id, SearchInput, StateMark, Table, Time } from '../parts.tsx'
import { paths } from '../paths.ts'
import { type DagRow, readDags } from '../queries/dags.ts'
import { hasRole, requireRole } from '../rights.ts'
import { startWords } from '../schedule-words.ts'
import { ownPath } from '../security.ts'
import type { Site, WebContext, WebEnv } from '../site.ts'
import { ImportErrors, importErrorOf } from './import-errors.tsx'
import { RunBars } from './run-bars.tsx'
import { readNow, Totals } from './totals.tsx'

const PAGE = 25

export const dagsPages = new Hono<WebEnv>()

dagsPages.get('/dags', async (c) => {
  const { site } = c.var
  const search = (c.req.query('search') ?? '').slice(0, 250)
  const after = (c.req.query('after') ?? '').slice(0, 250)
  const loaded = [...site.dags.keys()]
  // Read the mark before the data, so that a change in between is shown at once.
  const mark = await site.markOf('dags', 'all')
  const [rows, now] = await Promise.all([
    readDags(site.metadata, { loaded, search, after, limit: PAGE + 1, runs: 25 }),
    search === '' && after === '' ? readNow(site, mark) : undefined,
  ])
  const shown = rows.slice(0, PAGE)
  const here = shown.flatMap(({ dag_id }) => site.dags.get(dag_id) ?? [])
  const next = await readNextRuns(site.metadata, here, site.now())
  const more = rows.length > PAGE ? shown.at(-1)?.dag_id : undefined
  return c.html(
    <Page c={c} title="Pipelines">
      <Title text="Pipelines" />
      <ImportErrors site={site} />
      {now && <Totals now={now} />}
      {(search !== '' || after !== '' || more !== undefined) && <Search search={search} />}
      <div id="dags">
        <List c={c} rows={shown} next={next} search={search} mark={mark} />
        {(after !== '' || more !== undefined) && (
          <nav class="pager" aria-label="Pages">
            {after !== '' && <a href={`/dags?${new URLSearchParams({ search })}`}>First page</a>}
            {more !== undefined && <a href={`/dags?${new URLSearchParams({ search, after: more })}`}>Next page</a>}
          </nav>
        )}
      </div>
    </Page>,
  )
})

function Search({ search }: { search: string }) {
  return (
    <search>
      <form class="bar-form" action="/dags">
        <SearchInput
          id="search"
          value={search}
          label="Part of a dag's id"
          hx-get="/dags"
          hx-trigger="input changed delay:250ms"
          hx-target="#dags"
          hx-select="#dags"
          hx-swap="outerHTML"
          hx-replace-url="true"
        />
        <button type="submit">Search</button>
      </form>
    </search>
  )
}

interface ListProps {
  c: WebContext
  rows: readonly DagRow[]
  next: ReadonlyMap<string, NextRuns>
  search: string
  mark: string
}

/** Only the body of the table is live, so the table does not move. Links have ids, so that they keep the focus. */
function List({ c, rows, next, search, mark }: ListProps) {
  if (rows.length === 0 && search !== '')
    return (
      <Empty title={`No dag with “${search}” in its id`}>
        <a href="/dags">Show all dags</a>
      </Empty>
    )
  if (rows.length === 0) {
    return (
      <Empty title="No pipelines yet">
        Add a folder with a <code>dag.ts</code> to PIPELINES_DIR. The README shows an example.
      </Empty>
    )
  }
  return (
    <Table
      name="Pipelines"
      columns={['On', 'Dag', 'Schedule', 'Next run', 'Latest run', 'Last 25 runs', { hidden: 'Trigger' }]}
      live={{ key: 'dags/all', mark, also: '#totals' }}
    >
      {rows.map((row) => (
        <Row c={c} row={row} dag={c.var.site.dags.get(row.dag_id)} next={next.get(row.dag_id)} />
      ))}
    </Table>
  )
}

interface RowProps {
  c: WebContext
  row: DagRow
  dag: Dag | undefined
  next: NextRuns | undefined
}

function Row({ c, row, dag, next }: RowProps) {
  const { dag_id, is_paused, runs } = row
  return (
    <tr>
      <td class="fold-end">{dag && <PauseSwitch c={c} dag={dag} paused={is_paused} />}</td>
      <th scope="row">
        <a class="id" id={`dag-${dag_id}`} href={paths.dag(dag_id)}>
          <Id id={dag_id} />
        </a>
        <p class="sub">{dag ? dag.description : whyNotLoaded(c, dag_id)}</p>
      </th>
      <td data-label="Schedule">{dag && startWords(dag)}</td>
      <td data-label="Next run">
        <NextRun dag={dag} runs={next} />
      </td>
      <td data-label="Latest run">
        <LatestRun row={row} />
      </td>
      <td class="runs-cell">
        <RunBars runs={runs} />
      </td>
      <td class="right">
        {dag && hasRole(c, 'operator') && (
          <a
            class="button small"
            id={`trigger-${dag_id}`}
            href={paths.dag(dag_id, 'trigger')}
            aria-label={`Trigger ${dag_id}`}
          >
            Trigger
          </a>
        )}
      </td>
    </tr>
  )
}

function whyNotLoaded(c: WebContext, dagId: string): string {
  return importErrorOf(c.var.site as Site, dagId) !== undefined ? 'could not be loaded' : 'not in the pipelines folder'
}

/** The latest run. If several runs are unfinished, shows their number too. */
function LatestRun({ row: { dag_id, runs, running, queued } }: { row: DagRow }) {
  const [latest] = runs
  if (latest === undefined) return <span class="muted">never ran</span>
  return (
    <>
      <a class="plain" id={`latest-${dag_id}`} href={paths.run(dag_id, latest.run_id)}>
        <StateMark state={latest.state} />
        {latest.started_at && (
          <span class="sub">
            <Time at={new Date(latest.started_at)} show="ago" />
          </span>
        )}
      </a>
      {running + queued > 1 && <p class="sub nobreak">{countsInWords({ running, queued })}</p>}
    </>
  )
}

export function NextRun({ dag, runs }: { dag: Dag | undefined; runs: NextRuns | undefined }) {
  if (dag === undefined || !isAutomatic(dag) || runs === undefined) return <span class="nothing">–</span>
  if (runs.paused) return <span class="muted">paused</span>
  const [next] = runs.next
  if (next) return <Time at={next} show="next" />
  return dag.schedule === null ? <span class="nothing">–</span> : <span class="muted">{noTickWords(dag)}</span>
}

/** A switch for operators, a word for viewers, nothing for a dag that only runs when triggered. */
export function PauseSwitch({ c, dag, paused }: { c: WebContext; dag: Dag; paused: boolean }) {
  if (!isAutomatic(dag)) return null
  if (!hasRole(c, 'operator')) return <span class="muted small">{paused ? 'paused' : 'on'}</span>
  const { pathname, search } = new URL(c.req.url)
  return (
    <form method="post" action={paths.dag(dag.id, 'pause')}>
      <input type="hidden" name="paused" value={paused ? 'no' : 'yes'} />
      <input type="hidden" name="back" value={pathname + search} />
      <button
        type="submit"
        id={`switch-${dag.id}`}
        class="switch"
        role="switch"
        aria-checked={paused ? 'false' : 'true'}
        aria-label={`Schedule of ${dag.id}`}
        title={paused ? 'Paused: switch its schedule on' : 'On: pause its schedule'}
      />
    </form>
  )
}

dagsPages.post('/dags/:dag/pause', requireRole('operator'), async (c) => {
  const { site } = c.var
  const dag = loadedDag(c)
  const field = await readForm(c)
  const paused = field('paused') === 'yes'
  await registerDag(site.metadata, dag)
  await setPaused(site.metadata, dag.id, paused, site.now())
  site.log.info({ dag_id: dag.id, user: c.var.viewer.name, paused }, 'paused or resumed on the page')
  return c.redirect(ownPath(field('back'), '/dags'), 303)
})
