import { partsOf } from '../dag/map.ts'

/**
 * Tasks in words, in the same order. Several elements of a mapped task are one entry, which counts them:
 * `load_page (412 of 500 elements)`.
 *
 * @param all all tasks of the run
 */
export function taskNames(taskIds: readonly string[], all: readonly string[] = taskIds): string[] {
  const [some, every] = [elementsByTask(taskIds), elementsByTask(all)]
  const names = taskIds.map((taskId) => {
    const { id } = partsOf(taskId)
    const count = some.get(id) ?? 0
    const total = Math.max(count, every.get(id) ?? 0)
    return count > 1 ? `${id} (${count === total ? '' : `${count} of `}${total} elements)` : taskId
  })
  return [...new Set(names)]
}

function elementsByTask(taskIds: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { id, mapIndex } of taskIds.map(partsOf))
    if (mapIndex !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1)
  return counts
}
