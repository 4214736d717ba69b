import type { Graph } from './graph.ts'

/**
 * The ids of all tasks that are directly or indirectly downstream of the given tasks. The given tasks are not included.
 */
export function downstreamOf(graph: Graph, taskIds: readonly string[]): string[] {
  const reached = new Set(taskIds.flatMap((id) => graph.downstream[graph.indexOf.get(id) ?? -1] ?? []))
  // A set also iterates over what is added meanwhile.
  for (const index of reached) for (const child of graph.downstream[index] ?? []) reached.add(child)
  return graph.nodes.filter((node, index) => reached.has(index) && !taskIds.includes(node.id)).map((node) => node.id)
}
