import type { GraphNode } from '../dag/graph.ts'
import type { TaskInstanceState } from '../dag/state.ts'

/** A task, or a group of tasks. */
export interface Row {
  id: string
  /** The ids of all tasks in the group, also of those in groups within it; undefined for a task. */
  members?: readonly string[]
  /** True for a group that shows its members. */
  open: boolean
  /** The number of groups around it. */
  depth: number
}

export type IsOpen = (group: string) => boolean

/** Reads `?open=clean&open=load`; `?open=*` means all groups. */
export function openGroups(ids: readonly string[] = []): IsOpen {
  const known = new Set(ids)
  return (group) => known.has('*') || known.has(group)
}

/**
 * The query that opens a group, or closes it together with the groups within it.
 *
 * @param filters the other parameters of the page
 */
export function toggled(
  rows: readonly Row[],
  { id, open }: Row,
  filters: Readonly<Record<string, string>> = {},
): string {
  const others = rows.filter((row) => row.open && row.id !== id && !(open && row.id.startsWith(`${id}.`)))
  const query = new URLSearchParams(filters)
  for (const one of [...others.map((row) => row.id), ...(open ? [] : [id])]) query.append('open', one)
  return `?${query}`
}

/**
 * Tasks and groups in the order of the tasks. A group stands at its first task, and its members follow it if it is open.
 *
 * @param within the group whose members these are
 */
export function rowsOf(nodes: readonly GraphNode[], isOpen: IsOpen, within = ''): Row[] {
  const depth = within === '' ? 0 : within.split('.').length
  // A group with the id of a task is not folded.
  const taskIds = new Set(nodes.map(({ id }) => id))
  // The groups and the tasks outside of groups, in their order.
  const found = new Map<string, { row: Row; inner: GraphNode[] }>()
  for (const node of nodes) {
    const below = groupBelow(node.group, within)
    const group = below !== undefined && taskIds.has(below) ? undefined : below
    const id = group ?? node.id
    const known = found.get(id) ?? { row: { id, open: group !== undefined && isOpen(id), depth }, inner: [] }
    found.set(id, known)
    if (group !== undefined) known.inner.push(node)
  }
  return [...found.values()].flatMap(({ row, inner }): Row[] => {
    if (inner.length === 0) return [row]
    const group = { ...row, members: inner.map(({ id }) => id) }
    return row.open ? [group, ...rowsOf(inner, isOpen, row.id)] : [group]
  })
}

/** The group next to `within` on the way to `group`: `a.b` for `a.b.c` within `a`. */
function groupBelow(group: string | undefined, within: string): string | undefined {
  if (group === undefined || group === within) return undefined
  const start = within === '' ? 0 : within.length + 1
  const end = group.indexOf('.', start)
  return end === -1 ? group : group.slice(0, end)
}

/** The graph with each folded group as one node. */
export function foldGraph(nodes: readonly GraphNode[], rows: readonly Row[]): GraphNode[] {
  const known = new Map(nodes.map((node) => [node.id, node]))
  const folded = rows.filter(({ members, open }) => members && !open)
  const standsFor = new Map(folded.flatMap(({ id, members = [] }) => members.map((task) => [task, id] as const)))
  return rows.flatMap(({ id, members, open }): GraphNode[] => {
    if (open) return []
    const own = (members ?? [id]).flatMap((task) => Object.entries(known.get(task)?.upstream ?? {}))
    const upstream = own.map(([name, from]) => [members ? from : name, standsFor.get(from) ?? from] as const)
    const { triggerRule = 'all_success', teardown } = (members ? undefined : known.get(id)) ?? {}
    return [{ id, triggerRule, teardown, upstream: Object.fromEntries(upstream.filter(([, from]) => from !== id)) }]
  })
}

/** A group has the first of these states that one of its tasks has. */
const STATES: readonly TaskInstanceState[] = [
  ...(['failed', 'upstream_failed', 'up_for_retry', 'running', 'queued', 'scheduled'] as const),
  ...(['up_for_reschedule', 'none', 'success', 'skipped'] as const),
]

export function stateOfGroup(states: Iterable<TaskInstanceState>): TaskInstanceState {
  const all = new Set(states)
  return STATES.find((state) => all.has(state)) ?? 'none'
}
