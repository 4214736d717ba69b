/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import type { GraphNode } from '../../dag/graph.ts'
import { humanDuration } from '../../duration.ts'
import type { InstanceRow } from '../../operations/list-runs.ts'
import { assetUrl } from '../assets.ts'
import { beginning, SHOWN } from '../excerpt.ts'
import { findDag, findLiveRun } from '../find.ts'
import { type Placed, placeGraph } from '../graph-layout.ts'
import { durationOf, Empty } from '../parts.tsx'
import { paths } from '../paths.ts'
import type { WebContext, WebEnv } from '../site.ts'
import { DagPage } from './dag-head.tsx'
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
        <Drawing c={c} nodes={nodes} />
      )}
    </DagPage>,
  )
})

graphPages.get('/dags/:dag/runs/:run/graph', async (c) => {
  const { run, nodes, instances, mark } = await findLiveRun(c)
  const href = (taskId: string) => paths.task(run.dag_id, run.run_id, taskId)
  return c.html(
    <RunPage c={c} run={run} tab="graph" mark={mark} scripts={[assetUrl('graph.js')]}>
      <Drawing c={c} nodes={nodes} instances={instances} href={href} />
    </RunPage>,
  )
})

/** More tasks would be unreadable, and slow to place. */
const MOST_DRAWN = 100

interface DrawingProps {
  c: WebContext
  nodes: readonly GraphNode[]
  instances?: readonly InstanceRow[]
  href?: (taskId: string) => string
}

/** Draws a graph. If the graph is large, draws only the chosen tasks and the edges between them. */
async function Drawing({ c, nodes, instances = [], href }: DrawingProps) {
  const known = new Map(instances.map((one) => [one.task_id, one]))
  const all = nodes.map((node) => ({ ...node, task_id: node.id, ...stateOf(known.get(node.id)) }))
  const found = picked(all, pickOf(c), MOST_DRAWN)
  const ids = new Set(found.shown.map(({ id }) => id))
  const drawn = found.shown.map((node) => partOf(node, ids))
  return (
    <>
      <PickBar picked={found} />
      {drawn.length === 0 ? (
        <Empty title="No matching task" />
      ) : (
        <Graph
          placed={await placeGraph(drawn)}
          nodes={drawn}
          instances={instances.filter(({ task_id }) => ids.has(task_id))}
          scrub={c.var.site.scrub}
          {...(href && { href })}
        />
      )}
      <PickPager picked={found} most={MOST_DRAWN} />
    </>
  )
}

function stateOf(instance: InstanceRow | undefined) {
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
  instances: readonly InstanceRow[]
  scrub: (text: string) => string
  href?: (taskId: string) => string
}

/** The server draws the graph, the browser moves and zooms it. Without scripts it scrolls. */
function Graph({ placed, nodes, instances, scrub, href }: GraphProps) {
  const { width, height } = placed
  const known = new Map(instances.map((instance) => [instance.task_id, instance]))
  const rules = new Map(nodes.map(({ id, triggerRule, teardown }) => [id, teardown ? 'teardown' : triggerRule]))
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
          Fit
        </button>
      </div>
      <div class="graph-scroll">
        {/* biome-ignore lint/a11y/useSemanticElements: a drawing with links is not a fieldset */}
        <svg
          class="graph"
          id="graph"
          viewBox={`0 0 ${width} ${height}`}
          width={width}
          height={height}
          role="group"
          aria-label={`${nodes.length} tasks`}
        >
          <defs>
            <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
              <path class="arrow" d="M0 0.5L7.500 4L0 7.500z" />
            </marker>
          </defs>
          {placed.edges.map((d) => (
            <path class="edge" d={d} marker-end="url(#arrow)" />
          ))}
          {placed.nodes.map((node) => (
            <Node
              node={node}
              rule={rules.get(node.id)}
              instance={known.get(node.id)}
              scrub={scrub}
              href={href?.(node.id)}
            />
          ))}
        </svg>
      </div>
    </section>
  )
}

interface NodeProps {
  node: Placed['nodes'][number]
  rule: string | undefined
  instance: InstanceRow | undefined
  scrub: (text: string) => string
  href: string | undefined
}

function Node({ node: { id, x, y, width, height }, rule, instance, scrub, href }: NodeProps) {
  const most = Math.floor((width - 44) / 7)
  const name = id.length > most ? `${id.slice(0, most - 1)}…` : id
  const reason = instance?.reason && beginning(instance.reason, SHOWN.listed, scrub)
  const drawn = (
    <>
      <title>{[id, instance && `: ${instance.state}`, reason && `, ${reason}`].filter(Boolean).join('')}</title>
      <rect class="box" x={x} y={y} width={width} height={height} rx="8" />
      {instance && (
        <svg class="icon" aria-hidden="true" x={x + 11} y={y + 14} width="16" height="16">
          <use href={`#i-${instance.state}`} />
        </svg>
      )}
      <text class="task-name" x={x + (instance ? 36 : 14)} y={y + 19}>
        {name}
      </text>
      <text class="task-sub" x={x + (instance ? 36 : 14)} y={y + 34}>
        {subOf(instance, rule)}
      </text>
    </>
  )
  if (href === undefined) return <g class="node">{drawn}</g>
  return (
    <a class={`node ${instance?.state ?? ''}`} href={href}>
      {drawn}
    </a>
  )
}

function subOf(instance: InstanceRow | undefined, rule = ''): string {
  if (instance === undefined) return rule.replaceAll('_', ' ')
  const ms = durationOf(instance.start_date, instance.end_date)
  return [instance.state.replaceAll('_', ' '), ms === null ? '' : humanDuration(ms)].filter(Boolean).join(' · ')
}
