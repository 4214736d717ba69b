/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import { isAutomatic } from '../../operations/after-words.ts'
import { readNextRuns } from '../../operations/next-runs.ts'
import { beginning, SHOWN } from '../excerpt.ts'
import type { FoundDag } from '../find.ts'
import { Page } from '../layout.tsx'
import { Id, Notice, OutLink } from '../parts.tsx'
import { paths } from '../paths.ts'
import { hasRole } from '../rights.ts'
import { startWords } from '../schedule-words.ts'
import type { Site, WebContext } from '../site.ts'
import { NextRun, PauseSwitch } from './dags.tsx'
import { importErrorOf } from './import-errors.tsx'

const TABS = [
  ['', 'Grid'],
  ['graph', 'Graph'],
  ['durations', 'Durations'],
  ['code', 'Code'],
  ['details', 'Details'],
] as const

export type DagTab = (typeof TABS)[number][0] | 'trigger'

interface DagPageProps {
  c: WebContext
  found: FoundDag
  tab: DagTab
  scripts?: readonly string[]
  children?: Child
}

/** The frame of every page of a dag: title, pause switch, trigger button, tabs. */
export async function DagPage({ c, found, tab, scripts = [], children }: DagPageProps) {
  const { dagId, dag, state } = found
  const { site } = c.var
  const paused = state?.is_paused ?? false
  const next = dag && (await readNextRuns(site.metadata, [dag], site.now())).get(dagId)
  const view = tab === 'trigger' ? 'Trigger' : TABS.find(([path]) => path === tab && path !== '')?.[1]
  return (
    <Page c={c} title={view === undefined ? dagId : `${view} · ${dagId}`} scripts={scripts}>
      <p class="crumbs">
        <a href="/dags">Pipelines</a>
      </p>
      <div class="head">
        <div>
          <h1>
            <Id id={dagId} />
          </h1>
          <p>{dag?.description}</p>
          {dag && (dag.owner !== '' || Object.keys(dag.links).length > 0) && (
            <p class="sub">
              {dag.owner !== '' && `Owner: ${dag.owner}`}
              {Object.entries(dag.links).map(([text, href], index) => (
                <>
                  {(index > 0 || dag.owner !== '') && ' · '}
                  <OutLink href={href}>{text}</OutLink>
                </>
              ))}
            </p>
          )}
        </div>
        <div class="actions">
          <div class="when-due">
            {dag && <PauseSwitch c={c} dag={dag} paused={paused} />}
            <span class="sub">
              {dag && startWords(dag)}
              {dag && isAutomatic(dag) && (dag.schedule !== null || paused) && (
                <>
                  , {next?.next[0] && 'next '}
                  <NextRun dag={dag} runs={next} />
                </>
              )}
            </span>
          </div>
          {dag && hasRole(c, 'operator') && tab !== 'trigger' && (
            <a class="button main" href={paths.dag(dagId, 'trigger')}>
              Trigger
            </a>
          )}
        </div>
      </div>
      {dag === undefined && <NotLoaded c={c} dagId={dagId} />}
      <nav class="tabs" aria-label="Views of the dag">
        {TABS.map(([path, name]) => (
          <a href={paths.dag(dagId, path)} aria-current={path === tab ? 'page' : undefined}>
            {name}
          </a>
        ))}
      </nav>
      {children}
    </Page>
  )
}

function NotLoaded({ c, dagId }: { c: WebContext; dagId: string }) {
  const site = c.var.site as Site
  const error = importErrorOf(site, dagId)
  if (error === undefined)
    return (
      <Notice>This dag is not in the pipelines folder, so it does not run. Its earlier runs are still shown.</Notice>
    )
  return (
    <Notice kind="bad">
      This dag could not be loaded, so it does not run: {beginning(error, SHOWN.sentence, site.scrub)}
    </Notice>
  )
}
