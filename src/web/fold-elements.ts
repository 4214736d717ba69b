import { partsOf } from '../dag/map.ts'
import { isTerminal } from '../dag/state.ts'
import type { InstanceRow } from '../operations/list-runs.ts'
import { stateOfGroup } from './fold-groups.ts'
import { number, type Pick } from './pages/pick.tsx'

type Instance = { [Key in 'task_id' | 'state' | 'start_date' | 'end_date']: InstanceRow[Key] }

/** The instance of a task. Of a mapped task: it stands for its elements, and `elements` is `412 of 500`. */
export type Folded<T> = T & { elements?: string }

/** Leaves out the elements of mapped tasks. Each mapped task gets their state, and the time that they took. */
export function foldElements<T extends Instance>(instances: readonly T[]): Folded<T>[] {
  const byTask = new Map<string, T[]>()
  for (const one of instances) {
    const { id, mapIndex } = partsOf(one.task_id)
    if (mapIndex === undefined) continue
    const known = byTask.get(id) ?? []
    byTask.set(id, known)
    known.push(one)
  }
  return instances
    .filter(({ task_id }) => partsOf(task_id).mapIndex === undefined)
    .map((one) => {
      const elements = byTask.get(one.task_id)
      return elements === undefined ? one : { ...one, ...summaryOf(elements) }
    })
}

/** A list that the reader searches or filters also has the elements. */
export function foldUnlessPicked<T extends Instance>(instances: readonly T[], { search, state }: Pick): Folded<T>[] {
  return search === '' && state === null ? foldElements(instances) : [...instances]
}

function summaryOf(elements: readonly Instance[]) {
  const ended = elements.filter((one) => isTerminal(one.state))
  const state = stateOfGroup(elements.map((one) => one.state))
  const starts = elements.flatMap(({ start_date }) => start_date?.getTime() ?? [])
  const ends = ended.flatMap(({ end_date }) => end_date?.getTime() ?? [])
  const start_date = starts.length > 0 ? new Date(earliest(starts)) : null
  const end_date = ended.length === elements.length ? new Date(-earliest(ends.map((end) => -end))) : null
  return { state, start_date, end_date, elements: countOf(ended.length, elements.length) }
}

/** Without spreading the times into arguments, of which there may be too many. */
function earliest(times: readonly number[]): number {
  return times.reduce((first, time) => Math.min(first, time))
}

/** `412 of 500` */
export function countOf(ended: number, total: number): string {
  return `${number(ended)} of ${number(total)}`
}

/** The query that shows the elements of a mapped task in the list of a run. */
export function elementsQuery(taskId: string): string {
  return `?${new URLSearchParams({ search: `${taskId}[` })}`
}
