import type { GraphNode } from './graph.ts'

/** Lets each teardown wait for its setup and for all tasks downstream of the setup, except other teardowns of it. */
export function withTeardowns(nodes: readonly GraphNode[]): GraphNode[] {
  const tied = nodes.map((node) => after(node, node.teardown === undefined ? [] : [node.teardown]))
  return tied.map((node) => after(node, node.teardown === undefined ? [] : scopeOf(tied, node.teardown)))
}

function after(node: GraphNode, ids: readonly string[]): GraphNode {
  return { ...node, upstream: { ...node.upstream, ...Object.fromEntries(ids.map((id) => [`after ${id}`, id])) } }
}

function scopeOf(nodes: readonly GraphNode[], setup: string): string[] {
  const scope = new Set([setup])
  for (const id of scope)
    for (const node of nodes)
      if (node.teardown !== setup && Object.values(node.upstream).includes(id)) scope.add(node.id)
  return [...scope]
}
