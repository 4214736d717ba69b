import { downstreamOf } from './downstream.ts'
import type { Graph, GraphNode } from './graph.ts'
import { mappedOver, partsOf } from './map.ts'
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

/**
 * The tasks that the end of a task skips: what a branch did not choose, all tasks downstream, elements that an array no
 * longer has, or a task that is mapped over an empty array.
 */
export function skipsOf(graph: Graph, { id, options }: GraphNode, end: End): Skip[] {
  const skip = (taskIds: readonly string[], reason: string) => taskIds.map((taskId) => ({ taskId, by: id, reason }))
  if (end.skipsDownstream) {
    // A mapped task ends as its elements do, also if one of them skips the tasks after it.
    const isOther = (one: string) => one !== partsOf(id).id && !isTeardown(graph, one)
    const others = downstreamOf(graph, [id]).filter(isOther)
    return skip(others, `${id} skipped all downstream tasks: ${end.reason}`)
  }
  if (end.state !== 'success') return []
  const mapped = mappedOver(graph, id)
  if (mapped.length > 0) {
    const { length } = JSON.parse(end.output ?? '[]')
    const gone = mapped.filter((one) => (partsOf(one).mapIndex ?? 0) >= length)
    return skip(gone, `${id} returned ${length ? `only ${length} element${length > 1 ? 's' : ''}` : 'no elements'}`)
  }
  if (options === undefined) return []
  const chosen: string[] = [JSON.parse(end.output ?? '[]')].flat()
  const runs = new Set(chosen.flatMap((key) => options[key] ?? []))
  const others = [...new Set(Object.values(options).flat())].filter((one) => !runs.has(one))
  return skip(others, `${id} chose ${chosen.join(', ') || 'no option'}`)
}
