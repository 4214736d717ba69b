/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import type { GraphNode } from '../../dag/graph.ts'
import { isTerminal } from '../../dag/state.ts'
import type { InstanceRow } from '../../operations/list-runs.ts'
import { assetUrl } from '../assets.ts'
import { findDag, findLiveRun } from '../find.ts'
import { elementsQuery, foldElements } from '../fold-elements.ts'
import { foldGraph, openGroups, type Row, rowsOf, stateOfGroup, toggled } from '../fold-groups.ts'
import { type Placed, placeGraph } from '../graph-layout.ts'
import { MOST_DRAWN, pathsOf } from '../graph-paths.ts'
import { Empty } from '../parts.tsx'
import { paths } from '../paths.ts'
import type { WebContext, WebEnv } from '../site.ts'
import { DagPage } from './dag-head.tsx'
import { type Folded, Node, type Shown } from './graph-node.tsx'
import { PickBar, PickPager, picked, pickOf } from './pick.tsx'
import { RunPage } from './run-head.tsx'

export const graphPages = new Hono<WebEnv>()

graphPages.get('/dags/:dag/graph', async (c) => {
  const found = await findDag(c)
  const nodes = found.dag?.graph.nodes
  return c.html(
    <DagPage c={c} found={found} tab="graph" scripts={[assetUrl('graph.js')]}>
      {nodes === undefined ? (
        <Empty title="The code of this dag is not loaded">Open one of its runs: a run keeps its graph.</Empty>
      ) : (
        <Drawing c={c} nodes={nodes} href={(taskId) => durationsPath(found.dagId, taskId)} />
      )}
    </DagPage>,
  )
})

/** The runs of a task over time, because the graph of a dag belongs to no run. */
function durationsPath(dagId: string, taskId: string): string {
  return `${paths.dag(dagId, 'durations')}?${new URLSearchParams({ search: taskId })}`
}

graphPages.get('/dags/:dag/runs/:run/graph', async (c) => {
  const { run, nodes, instances, mark } = await findLiveRun(c)
  const href: Href = (taskId, isMapped) =>
    isMapped
      ? `${paths.run(run.dag_id, run.run_id)}${elementsQuery(taskId)}`
      : paths.task(run.dag_id, run.run_id, taskId)
  return c.html(
    <RunPage c={c} run={run} tab="graph" mark={mark} scripts={[assetUrl('graph.js')]}>
      <Drawing c={c} nodes={nodes} instances={instances} href={href} />
    </RunPage>,
  )
})

/** The page of a task, or of the elements of a mapped task. */
type Href = (taskId: string, isMapped: boolean) => string

interface DrawingProps {
  c: WebContext
  nodes: readonly GraphNode[]
  instances?: readonly InstanceRow[]
  href: Href
}

/** Draws a graph. If the graph is large, draws only the chosen tasks and the edges between them. */
async function Drawing({ c, nodes, instances = [], href }: DrawingProps) {
  const pick = pickOf(c)
  // A search finds tasks, also in folded groups.
  const isOpen = openGroups(pick.search !== '' || pick.state !== null ? ['*'] : c.req.queries('open'))
  const rows = rowsOf(nodes, isOpen)
  const known = new Map(withGroups(foldElements(instances), rows).map((one) => [one.task_id, one]))
  const all = foldGraph(nodes, rows).map((node) => ({ ...node, task_id: node.id, ...stateOf(known.get(node.id)) }))
  const found = picked(all, pick, MOST_DRAWN)
  const ids = new Set(found.shown.map(({ id }) => id))
  const drawn = found.shown.map((node) => partOf(node, ids))
  const groups = rows.filter(({ members }) => members)
  return (
    <>
      <PickBar picked={found} />
      {groups.length > 0 && <Groups groups={groups} />}
      {drawn.length === 0 ? (
        <Empty title="No matching task" />
      ) : (
        <Graph
          placed={await placeGraph(drawn)}
          nodes={drawn}
          groups={
            new Map(groups.map((row) => [row.id, { count: row.members?.length ?? 0, href: toggled(groups, row) }]))
          }
          instances={[...known.values()].filter(({ task_id }) => ids.has(task_id))}
          scrub={c.var.site.scrub}
          href={href}
        />
      )}
      <PickPager picked={found} most={MOST_DRAWN} />
    </>
  )
}

/** Adds an instance for each group: from the start of its first task to the end of its last one. */
function withGroups(instances: readonly Shown[], rows: readonly Row[]): Shown[] {
  const known = new Map(instances.map((one) => [one.task_id, one]))
  const ofGroups = rows.flatMap(({ id, members }): Shown[] => {
    const own = (members ?? []).flatMap((task) => known.get(task) ?? [])
    if (own.length === 0) return []
    const started = own.flatMap(({ start_date }) => start_date ?? []).sort((a, b) => a.getTime() - b.getTime())
    const ended = own.flatMap(({ end_date }) => end_date ?? []).sort((a, b) => b.getTime() - a.getTime())
    const state = stateOfGroup(own.map((one) => one.state))
    const end_date = isTerminal(state) ? (ended[0] ?? null) : null
    return [{ task_id: id, state, reason: null, start_date: started[0] ?? null, end_date }]
  })
  return [...instances, ...ofGroups]
}

const MOST_LINKS = 20

/** Links that open and close the groups. A folded group is also a link in the drawing. */
function Groups({ groups }: { groups: readonly Row[] }) {
  const isOpen = groups.filter((row) => row.open)
  return (
    <nav class="actions groups" aria-label="Groups">
      {isOpen.length < groups.length && <a href="?open=*">Open all groups</a>}
      {isOpen.length > 0 && <a href="?">Close all groups</a>}
      {isOpen.slice(0, MOST_LINKS).map((row) => (
        <a href={toggled(groups, row)}>Close {row.id}</a>
      ))}
    </nav>
  )
}

function stateOf(instance: Shown | undefined) {
  return instance === undefined ? {} : { state: instance.state }
}

/** The task. Its list of upstream tasks contains only tasks that are drawn. */
function partOf({ id, upstream, triggerRule, teardown }: GraphNode, drawn: ReadonlySet<string>): GraphNode {
  return {
    id,
    triggerRule,
    teardown,
    upstream: Object.fromEntries(Object.entries(upstream).filter(([, from]) => drawn.has(from))),
  }
}

interface GraphProps {
  placed: Placed
  nodes: readonly GraphNode[]
  /** By id, with the number of tasks. */
  groups: ReadonlyMap<string, Folded>
  instances: readonly Shown[]
  scrub: (text: string) => string
  href: Href
}

/** The server draws the graph, the browser moves and zooms it. Without scripts it scrolls. */
function Graph({ placed, nodes, groups, instances, scrub, href }: GraphProps) {
  const { width, height } = placed
  const known = new Map(instances.map((instance) => [instance.task_id, instance]))
  const rules = new Map(nodes.map((node) => [node.id, ruleOf(node)]))
  const order = new Map(placed.nodes.map(({ id }, at) => [id, at]))
  const numberOf = (id: string) => order.get(id) ?? 0
  const on = pathsOf(
    placed.nodes.length,
    placed.edges.map(({ from, to }) => ({ from: numberOf(from), to: numberOf(to) })),
  )
  return (
    <section aria-label="Graph" class="graph-box">
      <div class="actions graph-tools" hidden>
        <button type="button" class="small" data-zoom="1.25" aria-label="Zoom in">
          +
        </button>
        <button type="button" class="small" data-zoom="0.8" aria-label="Zoom out">
          −
        </button>
        <button type="button" class="small" data-zoom="0">
          Fit to screen
        </button>
      </div>
      <div class="graph-scroll">
        {/* biome-ignore lint/a11y/useSemanticElements: a drawing with links is not a fieldset */}
        <svg
          class={on ? 'graph paths' : 'graph'}
          id="graph"
          viewBox={`0 0 ${width} ${height}`}
          width={width}
          height={height}
          role="group"
          aria-label={`${nodes.length} tasks`}
        >
          <defs>
            <marker
              id="arrow"
              viewBox="0 0 8 8"
              refX="7"
              refY="4"
              markerWidth="10"
              markerHeight="10"
              markerUnits="userSpaceOnUse"
              orient="auto"
            >
              <path class="arrow" d="M0 0.5L7.500 4L0 7.500z" />
            </marker>
          </defs>
          {placed.edges.map(({ from, to, path }, at) => (
            <path
              class={`edge ${known.get(to)?.state === 'skipped' ? 'not-taken' : ''}`}
              data-from={order.get(from)}
              data-to={order.get(to)}
              data-on={on?.edges[at]}
              d={path}
              marker-end="url(#arrow)"
            />
          ))}
          {placed.nodes.map((node, at) => (
            <Node
              node={node}
              at={at}
              on={on?.nodes[at]}
              rule={rules.get(node.id)}
              group={groups.get(node.id)}
              instance={known.get(node.id)}
              scrub={scrub}
              href={groups.get(node.id)?.href ?? href(node.id, known.get(node.id)?.elements !== undefined)}
            />
          ))}
        </svg>
      </div>
    </section>
  )
}

/** Undefined for the default, which most tasks have. */
function ruleOf({ triggerRule, teardown }: GraphNode): string | undefined {
  if (teardown !== undefined) return 'teardown'
  return triggerRule === 'all_success' ? undefined : triggerRule.replaceAll('_', ' ')
}
