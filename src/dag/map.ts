import type { Dag } from './dag.ts'
import type { Graph, GraphNode } from './graph.ts'
import type { Inputs, OutputOf, Returned, Schema, Task, TaskOptions, Upstream } from './task.ts'
import { skipped, type TriggerRule, type Verdict } from './trigger-rule.ts'

// biome-ignore lint/suspicious/noExplicitAny: as in Member
export interface MapOptions<A extends Task<any>, U extends Upstream, R extends TriggerRule, O extends Schema, Context>
  extends Omit<TaskOptions<U, R, O, Context>, 'run'> {
  /** The task that returns the array: its `output` is a `z.array(…)`. */
  over: OutputOf<A> extends readonly unknown[] ? A : never
  /** How pages name an element. */
  label?: (element: OutputOf<A>[number]) => string
  /** If the array is longer, the task that returned it fails. Default 10,000. */
  maxMapLength?: number
  /** Runs for one element. `output` is the schema of what it returns. */
  run: (element: OutputOf<A>[number], inputs: Inputs<U, R>, context: Context & { mapIndex: number }) => Result<O>
}

type Result<O> = Returned<O> | Promise<Returned<O>>

/** The name of the input that receives the element. */
export const EACH = 'each of'

/** The parts of the id of an element: `load_page[7]` is element 7 of `load_page`. Of any other task: its id. */
export function partsOf(taskId: string): { id: string; mapIndex: number | undefined } {
  const [id = '', index] = taskId.split('[')
  return { id, mapIndex: index === undefined ? undefined : Number.parseInt(index, 10) }
}

/** The task of a task instance. An element has its own id. */
export function taskOf({ tasks }: Pick<Dag, 'tasks'>, taskId: string): Task | undefined {
  const { id, mapIndex } = partsOf(taskId)
  const task = tasks.get(id)
  return mapIndex === undefined || task === undefined ? task : { ...task, id: taskId, mapIndex }
}

/**
 * Adds the elements among these task ids at the end of a run's graph. They have the upstreams and the trigger rule of
 * their mapped task, which waits for them instead.
 */
export function withElements(nodes: readonly GraphNode[], taskIds: Iterable<string>): readonly GraphNode[] {
  const counts = new Map<string, number>()
  for (const { id, mapIndex = -1 } of [...taskIds].map(partsOf))
    counts.set(id, Math.max(counts.get(id) ?? 0, mapIndex + 1))
  const added: GraphNode[] = []
  const mapped = nodes.map((node): GraphNode => {
    const { id, over, elements = 0 } = node
    const ids = Array.from({ length: counts.get(id) ?? 0 }, (_, mapIndex) => `${id}[${mapIndex}]`)
    if (over === undefined || ids.length <= elements) return node
    const first = nodes.find((one) => one.id === ids[0]) ?? node
    for (const one of ids.slice(elements)) added.push({ ...first, id: one })
    const upstream = Object.fromEntries(ids.map((one) => [one, one]))
    return { ...node, elements: ids.length, upstream, triggerRule: 'none_failed_min_one_success' }
  })
  return added.length === 0 ? nodes : [...mapped, ...added]
}

/** The tasks that are mapped over the array of a task; if they have elements, those. */
export function mappedOver({ nodes, indexOf, downstream }: Graph, id: string): string[] {
  const after = downstream[indexOf.get(id) ?? -1] ?? []
  return after.filter((index) => nodes[index]?.over === id).map((index) => nodes[index]?.id ?? '')
}

/** What the verdict of a trigger rule means for a node. A mapped task does not start: it ends as its elements do. */
export function judgeMapped({ id, over, elements }: GraphNode, verdict: Verdict | undefined): Verdict | undefined {
  if (over === undefined || verdict?.state !== 'ready' || partsOf(id).mapIndex !== undefined) return verdict
  return elements === undefined ? skipped(`${over} returned no array`) : { state: 'success', reason: null }
}
