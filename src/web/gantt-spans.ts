import { partsOf } from '../dag/map.ts'
import type { InstanceRow, WholeRun } from '../operations/list-runs.ts'
import { type Folded, foldElements } from './fold-elements.ts'
import type { TrySpan } from './queries/tasks.ts'

/** A bar of the Gantt chart. Instants in ms since 1970. */
export interface Span {
  taskId: string
  /** `wait`: ready, and waits for a slot or a worker. `retry_wait`: waits for its next try. */
  state: TrySpan['state'] | 'wait' | 'retry_wait'
  title: string
  start: number
  end: number
}

/** The tries of these tasks and the waits before them. A mapped task has one span for all its elements. */
export function spansOf(run: WholeRun, shown: readonly Folded<InstanceRow>[], tries: readonly TrySpan[]): Span[] {
  const readyAt = readyTimes(run)
  return shown.flatMap((one) => {
    const own = triesOf(one, tries)
    return [...waitsOf(one, own, readyAt(one.task_id)), ...own]
  })
}

function triesOf(one: Folded<InstanceRow>, tries: readonly TrySpan[]): Span[] {
  const { task_id: taskId, state, try_number, start_date, end_date, elements } = one
  const ended = tries
    .filter(({ task_id }) => task_id === taskId)
    .map((each) => ({
      ...{ taskId, state: each.state, title: `try ${each.try_number}` },
      ...{ start: each.start_date.getTime(), end: each.end_date.getTime() },
    }))
  if (start_date !== null && (state === 'running' || elements !== undefined)) {
    const end = end_date?.getTime() ?? Date.now()
    ended.push({ taskId, state, title: elements ?? `try ${try_number}`, start: start_date.getTime(), end })
  }
  return ended.sort((a, b) => a.start - b.start)
}

/** A wait of a few milliseconds is the time that the writes take. */
const SHORTEST_MS = 20

function waitsOf({ task_id: taskId, state }: InstanceRow, tries: readonly Span[], readyAt: number): Span[] {
  const waits: Span[] = []
  const add = (kind: 'wait' | 'retry_wait', start: number, end: number) => {
    const title = kind === 'wait' ? 'waited for a slot or worker' : 'waited for the next try'
    if (end - start >= SHORTEST_MS) waits.push({ taskId, state: kind, title, start, end })
  }
  const [first] = tries
  if (first !== undefined) add('wait', Math.min(readyAt, first.start), first.start)
  else if (state === 'scheduled' || state === 'queued') add('wait', readyAt, Date.now())
  for (const [index, one] of tries.slice(1).entries()) add('retry_wait', tries[index]?.end ?? one.start, one.start)
  if (state.startsWith('up_for_')) add('retry_wait', tries.at(-1)?.end ?? Date.now(), Date.now())
  return waits
}

/**
 * When a task was ready: at the end of its last upstream, or at the start of the run. Of the upstreams only those count
 * that ended before its first start, because some trigger rules do not wait for all.
 */
function readyTimes({ run, nodes, instances }: WholeRun): (taskId: string) => number {
  const byId = new Map(foldElements(instances).map((one) => [one.task_id, one]))
  const upstreams = new Map(nodes.map(({ id, upstream }) => [id, upstream]))
  const runStart = run.start_date?.getTime() ?? Date.now()
  return (taskId) => {
    const { id } = partsOf(taskId)
    const start = byId.get(id)?.start_date?.getTime() ?? Date.now()
    const ends = Object.values(upstreams.get(id) ?? {}).flatMap((one) => byId.get(one)?.end_date?.getTime() ?? [])
    return Math.max(runStart, ...ends.filter((end) => end <= start))
  }
}

/** From an instant to another one, with marks at round times in between. */
export interface Axis {
  from: number
  to: number
  /** Distances from `from` in ms. */
  ticks: number[]
}

/**
 * The axis of these spans. It begins when the run was queued, but shows at most as much of that wait as a quarter of the
 * rest, so that the tasks stay visible after a long wait.
 */
export function axisOf(spans: readonly Span[], queuedAt: number): Axis {
  const first = spans.reduce((least, { start }) => Math.min(least, start), Number.POSITIVE_INFINITY)
  const to = spans.reduce((most, { end }) => Math.max(most, end), first + 1)
  const from = Math.max(Math.min(queuedAt, first), first - (to - first) / 4)
  return { from, to, ticks: ticksOf(to - from) }
}

const STEPS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3]
const HOURS_MS = [0.5, 1, 2, 3, 6, 12, 24, 48, 168].map((hours) => hours * 3_600_000)
const MOST_TICKS = 7

function ticksOf(length: number): number[] {
  const step = [...STEPS_MS, ...HOURS_MS].find((one) => length / one <= MOST_TICKS) ?? length / MOST_TICKS
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, index) => index * step)
}
