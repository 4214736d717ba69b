/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import type { RunRow } from '../../operations/list-runs.ts'
import { Page } from '../layout.tsx'
import { StateMark } from '../parts.tsx'
import { paths } from '../paths.ts'
import { type Neighbour, readNeighbours } from '../queries/runs.ts'
import { hasRole } from '../rights.ts'
import { RunName, runName } from '../run-name.tsx'
import type { WebContext } from '../site.ts'

const TABS = [
  ['', 'Tasks'],
  ['graph', 'Graph'],
  ['gantt', 'Gantt'],
] as const

interface RunPageProps {
  c: WebContext
  run: RunRow
  tab: (typeof TABS)[number][0]
  /** The run's mark when the page was drawn. */
  mark: string
  scripts?: readonly string[]
  children?: Child
}

/** The frame of every page of a run. */
export async function RunPage({ c, run, tab, mark, scripts = [], children }: RunPageProps) {
  const { dag_id, run_id, state } = run
  const { previous, next } = await readNeighbours(c.var.site.metadata, run)
  const view = TABS.find(([path]) => path === tab && path !== '')?.[1]
  const title = [view, runName(run), dag_id].filter(Boolean).join(' · ')
  return (
    <Page c={c} title={title} scripts={scripts}>
      <div id="live" data-live={`run/${run.id}`} data-mark={mark}>
        <div class="crumb-row">
          <p class="crumbs">
            <a href="/dags">Pipelines</a> / <a href={paths.dag(dag_id)}>{dag_id}</a>
          </p>
          <nav class="neighbours" aria-label="Other runs of the dag">
            {previous && <NeighbourLink to={previous} tab={tab} rel="prev" />}
            {next && <NeighbourLink to={next} tab={tab} rel="next" />}
          </nav>
        </div>
        <div class="head">
          <div>
            <h1 title={run_id}>
              <RunName run={run} />
            </h1>
            <p>
              <StateMark state={state} live />
            </p>
          </div>
          {hasRole(c, 'operator') && <RunActions run={run} isActive={c.var.site.dags.has(dag_id)} />}
        </div>
        <nav class="tabs" aria-label="Views of the run">
          {TABS.map(([path, name]) => (
            <a href={paths.run(dag_id, run_id, path)} aria-current={path === tab ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
        {children}
      </div>
    </Page>
  )
}

/** Leads to the same tab of the neighbour. */
function NeighbourLink({ to, tab, rel }: { to: Neighbour; tab: string; rel: 'prev' | 'next' }) {
  const text = rel === 'prev' ? 'Previous run' : 'Next run'
  return (
    <a id={`${rel}-run`} rel={rel} href={paths.run(to.dag_id, to.run_id, tab)} title={runName(to)}>
      {rel === 'prev' ? `‹ ${text}` : `${text} ›`}
    </a>
  )
}

/** @param isActive true if the dag's code is loaded, so that tasks can run again */
function RunActions({ run: { dag_id, run_id, state, note }, isActive }: { run: RunRow; isActive: boolean }) {
  const over = state === 'success' || state === 'failed'
  return (
    <div class="actions">
      {isActive && state === 'failed' && (
        <a class="button main" href={`${paths.run(dag_id, run_id, 'clear')}?only_failed=yes`}>
          Clear failed tasks
        </a>
      )}
      <a class="button" href={paths.run(dag_id, run_id, 'note')}>
        {note === null ? 'Add a note' : 'Edit the note'}
      </a>
      {isActive && (
        <a class="button" href={paths.run(dag_id, run_id, 'clear')}>
          Clear
        </a>
      )}
      {!over && (
        <a class="button danger" href={paths.run(dag_id, run_id, 'cancel')}>
          Cancel
        </a>
      )}
      {over && (
        <a class="button danger" href={paths.run(dag_id, run_id, 'delete')}>
          Delete
        </a>
      )}
    </div>
  )
}
