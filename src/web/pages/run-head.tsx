/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import type { RunRow } from '../../operations/list-runs.ts'
import { Page } from '../layout.tsx'
import { StateMark } from '../parts.tsx'
import { paths } from '../paths.ts'
import { hasRole } from '../rights.ts'
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
export function RunPage({ c, run, tab, mark, scripts = [], children }: RunPageProps) {
  const { dag_id, run_id, state } = run
  return (
    <Page c={c} title={`${run_id} · ${dag_id}`} scripts={scripts}>
      <div id="live" data-live={`run/${run.id}`} data-mark={mark}>
        <p class="crumbs">
          <a href="/dags">Pipelines</a> / <a href={paths.dag(dag_id)}>{dag_id}</a>
        </p>
        <div class="head">
          <div>
            <h1 class="run-title">{run_id}</h1>
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

/** @param isActive true if the dag's code is loaded, so that tasks can run again */
function RunActions({ run: { dag_id, run_id, state }, isActive }: { run: RunRow; isActive: boolean }) {
  const over = state === 'success' || state === 'failed'
  return (
    <div class="actions">
      {isActive && state === 'failed' && (
        <a class="button main" href={`${paths.run(dag_id, run_id, 'clear')}?only_failed=yes`}>
          Clear failed tasks
        </a>
      )}
      <a class="button" href={paths.run(dag_id, run_id, 'note')}>
        Note…
      </a>
      {isActive && (
        <a class="button" href={paths.run(dag_id, run_id, 'clear')}>
          Clear…
        </a>
      )}
      {!over && (
        <a class="button danger" href={paths.run(dag_id, run_id, 'cancel')}>
          Cancel…
        </a>
      )}
      {over && (
        <a class="button danger" href={paths.run(dag_id, run_id, 'delete')}>
          Delete…
        </a>
      )}
    </div>
  )
}
