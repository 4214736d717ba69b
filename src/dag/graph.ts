import { invalid } from './invalid.ts'
import type { TriggerRule } from './trigger-rule.ts'

/** A task of a stored graph, as plain JSON: a run keeps its graph even after the dag's code changes. */
export interface GraphNode {
  id: string
  /** Input name → id of the upstream task. */
  upstream: Readonly<Record<string, string>>
  triggerRule: TriggerRule
}

/** Tasks in topological order (authoring order among equals), with their edges as positions in `nodes`. */
export interface Graph {
  readonly nodes: readonly GraphNode[]
  readonly taskIds: readonly string[]
  readonly indexOf: ReadonlyMap<string, number>
  /** The positions of each node's distinct upstreams and downstreams. */
  readonly upstream: readonly (readonly number[])[]
  readonly downstream: readonly (readonly number[])[]
}

/**
 * Orders tasks and checks them: throws TminusError `dag_invalid`, naming the tasks, for a duplicate id,
 * an upstream that is not in the graph, or a cycle.
 */
export function buildGraph(dagId: string, tasks: readonly GraphNode[]): Graph {
  const nodes = topologicalOrder(dagId, tasks)
  const indexOf = new Map(nodes.map((node, index) => [node.id, index]))
  const distinct = ({ upstream }: GraphNode) => [...new Set(Object.values(upstream))]
  const upstream = nodes.map((node) => distinct(node).map((id) => indexOf.get(id) ?? -1))
  const downstream: number[][] = nodes.map(() => [])
  upstream.forEach((parents, index) => {
    for (const parent of parents) downstream[parent]?.push(index)
  })
  return { nodes, taskIds: nodes.map(({ id }) => id), indexOf, upstream, downstream }
}

/** Kahn's algorithm over a queue in authoring order. If tasks remain at the end, they form a cycle. */
function topologicalOrder(dagId: string, tasks: readonly GraphNode[]): GraphNode[] {
  const byId = new Map(tasks.map((task) => [task.id, task]))
  const twin = tasks.find((task) => byId.get(task.id) !== task)
  if (twin) throw invalid(dagId, `two tasks are called '${twin.id}'; give one of them another id`)
  const children = new Map<string, GraphNode[]>(tasks.map((task) => [task.id, []]))
  const open = new Map<string, number>()
  for (const task of tasks) {
    const parents = new Set(Object.values(task.upstream))
    for (const parent of parents) {
      const siblings = children.get(parent)
      if (!siblings) throw invalid(dagId, `task '${task.id}' depends on '${parent}', which is not a task of this dag`)
      siblings.push(task)
    }
    open.set(task.id, parents.size)
  }
  const ordered = tasks.filter((task) => open.get(task.id) === 0)
  for (let next = 0; next < ordered.length; next++) {
    for (const child of children.get(ordered[next]?.id ?? '') ?? []) {
      const left = (open.get(child.id) ?? 0) - 1
      open.set(child.id, left)
      if (left === 0) ordered.push(child)
    }
  }
  if (ordered.length < tasks.length)
    throw invalid(dagId, `its tasks form a cycle: ${findCycle(byId, ordered).join(' → ')}`)
  return ordered
}

/** Walks upstream among the tasks that could not be ordered, until it reaches the same task again. */
function findCycle(byId: ReadonlyMap<string, GraphNode>, ordered: readonly GraphNode[]): string[] {
  const done = new Set(ordered.map((task) => task.id))
  const path: string[] = []
  let id = [...byId.keys()].find((candidate) => !done.has(candidate))
  while (id !== undefined && !path.includes(id)) {
    path.push(id)
    id = Object.values(byId.get(id)?.upstream ?? {}).find((parent) => !done.has(parent))
  }
  const cycle = path.slice(path.indexOf(id ?? ''))
  return [...cycle, cycle[0] ?? ''].reverse()
}
