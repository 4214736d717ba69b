import { invalid } from './invalid.ts'
import { partsOf } from './map.ts'
import type { TriggerRule } from './trigger-rule.ts'

/** A task of a stored graph, as plain JSON: a run keeps its graph even after the dag's code changes. */
export interface GraphNode {
  id: string
  /** Input name → id of the upstream task. */
  upstream: Readonly<Record<string, string>>
  triggerRule: TriggerRule
  /** The id of its group. */
  group?: string
  /** Of a teardown: the id of its setup, and whether its failure fails the run. */
  teardown?: string | undefined
  failsRun?: boolean | undefined
  /** Of a mapped task and its elements: the task that returns the array. */
  over?: string
  /** Of a mapped task in the graph of a run: how many elements it has. They are its only upstreams. */
  elements?: number
  /** Of a branch: the ids of the tasks to choose from, by option. */
  options?: Readonly<Record<string, readonly string[]>>
}

/** Tasks in authoring order, but each after its upstreams, with their edges as positions in `nodes`. */
export interface Graph {
  readonly nodes: readonly GraphNode[]
  readonly taskIds: readonly string[]
  readonly indexOf: ReadonlyMap<string, number>
  /** The positions of each node's distinct upstreams and downstreams. */
  readonly upstream: readonly (readonly number[])[]
  readonly downstream: readonly (readonly number[])[]
  /**
   * The positions of the upstreams that end before the trigger rule of each node decides: the branches that choose it,
   * the task that it is mapped over, and the elements of a mapped task.
   */
  readonly choosers: readonly (readonly number[])[]
}

/**
 * Orders tasks and checks them: throws TminusError `dag_invalid`, naming the tasks, for a duplicate id,
 * an upstream that is not in the graph, or a cycle.
 */
export function buildGraph(dagId: string, tasks: readonly GraphNode[]): Graph {
  return graphOf(topologicalOrder(dagId, tasks))
}

/** Tasks that are known to be valid, in any order. */
export function graphOf(nodes: readonly GraphNode[]): Graph {
  const indexOf = new Map(nodes.map((node, index) => [node.id, index]))
  const upstream = nodes.map((node) => [...new Set(Object.values(node.upstream))].map((id) => indexOf.get(id) ?? -1))
  const downstream: number[][] = nodes.map(() => [])
  upstream.forEach((parents, index) => {
    for (const parent of parents) downstream[parent]?.push(index)
  })
  const chooses = ({ options = {} }: GraphNode, id: string) => Object.values(options).some((ids) => ids.includes(id))
  const choosers = nodes.map(({ id, over, elements }, index) => {
    const isFirst = (one: GraphNode) => elements !== undefined || one.id === over || chooses(one, partsOf(id).id)
    return (upstream[index] ?? []).filter((at) => isFirst(nodes[at] as GraphNode))
  })
  return { nodes, choosers, taskIds: nodes.map(({ id }) => id), indexOf, upstream, downstream }
}

/** Walks from each task to its upstreams first. A walk that meets its own path has found a cycle. */
function topologicalOrder(dagId: string, tasks: readonly GraphNode[]): GraphNode[] {
  const byId = new Map(tasks.map((task) => [task.id, task]))
  const twin = tasks.find((task) => byId.get(task.id) !== task)
  if (twin) throw invalid(dagId, `two tasks are called '${twin.id}'; give one of them another id`)
  const ordered = new Set<GraphNode>()
  const path: string[] = []
  const add = (task: GraphNode): void => {
    if (ordered.has(task)) return
    if (path.includes(task.id)) {
      const cycle = [...path.slice(path.indexOf(task.id)), task.id].reverse()
      throw invalid(dagId, `its tasks form a cycle: ${cycle.join(' → ')}`)
    }
    path.push(task.id)
    for (const id of Object.values(task.upstream)) {
      const parent = byId.get(id)
      if (!parent) throw invalid(dagId, `task '${task.id}' depends on '${id}', which is not a task of this dag`)
      add(parent)
    }
    path.pop()
    ordered.add(task)
  }
  tasks.forEach(add)
  return [...ordered]
}
