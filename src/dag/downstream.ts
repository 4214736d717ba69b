import type { Graph } from './graph.ts'

/**
 * The ids of all tasks that are directly or indirectly downstream of the given tasks. The given tasks are not included.
 */
export function downstreamOf(graph: Graph, taskIds: readonly string[]): string[] {
  const reached = new Set<number>()
  const open = taskIds.map((id) => graph.indexOf.get(id)).filter((index) => index !== undefined)
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    for (const child of graph.downstream[index] ?? []) {
      if (reached.has(child)) continue
      reached.add(child)
      open.push(child)
    }
  }
  return graph.nodes.filter((node, index) => reached.has(index) && !taskIds.includes(node.id)).map((node) => node.id)
}
