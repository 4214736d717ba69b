import { downstreamOf } from './downstream.ts'
import type { Graph, GraphNode } from './graph.ts'
import type { TerminalTaskState } from './state.ts'

/** A task that another task skips, whatever its own trigger rule says. */
export interface Skip {
  taskId: string
  by: string
  reason: string
}

/** How a task ended, as far as it decides about other tasks. */
interface End {
  state: TerminalTaskState
  reason: string | null
  /** JSON text. */
  output?: string | null
  skipsDownstream?: boolean
}

const isTeardown = ({ nodes, indexOf }: Graph, id: string) => nodes[indexOf.get(id) ?? -1]?.teardown !== undefined

/** The tasks that the end of a task skips: what a branch did not choose, or all tasks downstream; else none. */
export function skipsOf(graph: Graph, { id, options }: GraphNode, end: End): Skip[] {
  const skip = (taskIds: readonly string[], reason: string) => taskIds.map((taskId) => ({ taskId, by: id, reason }))
  if (end.skipsDownstream) {
    const others = downstreamOf(graph, [id]).filter((one) => !isTeardown(graph, one))
    return skip(others, `${id} skipped all downstream tasks: ${end.reason}`)
  }
  if (options === undefined || end.state !== 'success') return []
  const chosen: string[] = [JSON.parse(end.output ?? '[]')].flat()
  const runs = new Set(chosen.flatMap((key) => options[key] ?? []))
  const others = new Set(Object.values(options).flat())
  return skip(
    [...others].filter((one) => !runs.has(one)),
    `${id} chose ${chosen.join(', ') || 'no option'}`,
  )
}
