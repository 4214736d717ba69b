import { createHash } from 'node:crypto'
import type { GraphNode } from '../dag/graph.ts'

export interface Placed {
  width: number
  height: number
  /** `x` and `y` are the top left corner. */
  nodes: { id: string; x: number; y: number; width: number; height: number }[]
  /** `path` is that of an SVG path. */
  edges: { from: string; to: string; path: string }[]
}

const HEIGHT = 44
const MARGIN = 12
/** Widths of a character in the widest common font, in px: of a name (bold), and of the small text below it. */
export const CHARACTER = { name: 8.1, sub: 5.8 }
/** For larger graphs dagre blocks the process for seconds. */
const MOST_NODES = 150
const MOST_EDGES = 600
/** A reader cannot distinguish more edges than this. */
const MOST_DRAWN_EDGES = 2_000

const placed = new Map<string, Promise<Placed>>()
const MOST_KEPT = 100

/** Places the tasks of a graph from left to right. The result is cached by the graph, because dagre is slow. */
export function placeGraph(nodes: readonly GraphNode[]): Promise<Placed> {
  const key = createHash('sha256').update(JSON.stringify(nodes)).digest('base64')
  const known = placed.get(key) ?? place(nodes)
  placed.delete(key)
  placed.set(key, known)
  if (placed.size > MOST_KEPT) placed.delete(placed.keys().next().value ?? '')
  known.catch(() => placed.delete(key))
  return known
}

/** A teardown waits for all tasks after its setup. Only the edges from the last of them are drawn. */
export function drawnUpstreams({ upstream, teardown }: GraphNode, byId: ReadonlyMap<string, GraphNode>): string[] {
  const all = [...new Set(Object.values(upstream))]
  if (teardown === undefined) return all
  const earlier = new Set(all.flatMap((id) => Object.values(byId.get(id)?.upstream ?? {})))
  return all.filter((id) => !earlier.has(id))
}

async function place(nodes: readonly GraphNode[]): Promise<Placed> {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const edges: Edge[] = nodes.flatMap((node) => drawnUpstreams(node, byId).map((from) => ({ from, to: node.id })))
  if (nodes.length > MOST_NODES || edges.length > MOST_EDGES) return inColumns(nodes, edges)
  const { Graph, layout } = await import('@dagrejs/dagre')
  const graph = new Graph()
  graph.setGraph({ rankdir: 'LR', nodesep: 22, ranksep: 56, marginx: MARGIN, marginy: MARGIN })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const { id } of nodes) graph.setNode(id, { width: widthOf(id), height: HEIGHT })
  for (const { from, to } of edges) graph.setEdge(from, to)
  layout(graph)
  const { width = 0, height = 0 } = graph.graph()
  // Edges start and end in the middle of a side. Only edges around other nodes need dagre's bends.
  const bendsOf = ({ from, to }: Edge): Point[] => {
    const points = graph.edge({ v: from, w: to }).points ?? []
    return points.length > 3 ? points.slice(1, -1) : []
  }
  // dagre does not count the bends as part of the height.
  const bent = edges.flatMap(bendsOf).map(({ y }) => y)
  const top = bent.reduce((least, y) => Math.min(least, y - MARGIN), 0)
  const bottom = bent.reduce((most, y) => Math.max(most, y + MARGIN), height)
  const at = new Map(
    nodes.map(({ id }) => {
      const node = graph.node(id)
      return [id, box(node.x - node.width / 2, node.y - node.height / 2 - top, node.width)] as const
    }),
  )
  return {
    width: Math.ceil(width),
    height: Math.ceil(bottom - top),
    nodes: [...at].map(([id, where]) => ({ id, ...where })),
    edges: edges.map((edge) => {
      const bends = bendsOf(edge).map(({ x, y }) => ({ x, y: y - top }))
      return { ...edge, path: between(at.get(edge.from), at.get(edge.to), bends) }
    }),
  }
}

function box(x: number, y: number, width: number) {
  return { x: Math.round(x), y: Math.round(y), width, height: HEIGHT }
}

function widthOf(id: string): number {
  return Math.min(380, Math.max(168, Math.round(id.length * CHARACTER.name) + 50))
}

interface Edge {
  from: string
  to: string
}

/** Puts each task into the column after its last upstream. */
function inColumns(nodes: readonly GraphNode[], edges: readonly Edge[]): Placed {
  const column = new Map<string, number>()
  const taken: number[] = []
  const at = new Map<string, Box>()
  for (const { id, upstream } of nodes) {
    const own = Math.max(-1, ...Object.values(upstream).map((parent) => column.get(parent) ?? 0)) + 1
    column.set(id, own)
    const row = taken[own] ?? 0
    taken[own] = row + 1
    at.set(id, box(12 + own * 420, 12 + row * (HEIGHT + 14), widthOf(id)))
  }
  return {
    width: taken.length * 420,
    height: 12 + Math.max(1, ...taken) * (HEIGHT + 14),
    nodes: [...at].map(([id, where]) => ({ id, ...where })),
    edges: edges
      .slice(0, MOST_DRAWN_EDGES)
      .map(({ from, to }) => ({ from, to, path: between(at.get(from), at.get(to), []) })),
  }
}

type Box = ReturnType<typeof box>
type Point = { x: number; y: number }

function between(a: Box | undefined, b: Box | undefined, bends: readonly Point[]): string {
  if (a === undefined || b === undefined) return ''
  return curve([{ x: a.x + a.width, y: a.y + HEIGHT / 2 }, ...bends, { x: b.x - 1, y: b.y + HEIGHT / 2 }])
}

/** A smooth line through the points, from left to right. */
function curve(points: readonly Point[]): string {
  const [first, ...rest] = points.map(({ x, y }) => ({ x: Math.round(x), y: Math.round(y) }))
  if (first === undefined) return ''
  let path = `M${first.x} ${first.y}`
  let from = first
  for (const to of rest) {
    const middle = Math.round((from.x + to.x) / 2)
    path += `C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}`
    from = to
  }
  return path
}
