import { moveOf } from '../../launches/net.ts'
import type { StoredChange } from '../../launches/read-launches.ts'
import { periodOf } from '../../launches/time.ts'

/** The announced T-0 from the instant `from` until the next entry. */
export interface AnnouncedNet {
  from: Date
  net: Date
  /** Launch Library's precision id; a month if it is unknown. */
  precision: number
}

interface Known {
  net: Date
  net_precision: number | null
  first_seen_at: Date | null
}

const MONTH = 7

/**
 * How T-0 moved, oldest first. It starts from the current T-0 and undoes the changes (newest first, as `readChanges`
 * returns them). The first entry starts when the launch was first seen.
 */
export function netHistory(launch: Known, changes: readonly StoredChange[]): AnnouncedNet[] {
  const history: AnnouncedNet[] = []
  let { net, net_precision: precision } = launch
  for (const [at, group] of movesAt(changes)) {
    history.push({ from: new Date(at), net, precision: precision ?? MONTH })
    const moved = group.find(({ field }) => field === 'net')?.old
    const known = group.find(({ field }) => field === 'net_precision')
    if (moved != null && !Number.isNaN(Date.parse(moved))) net = new Date(moved)
    if (known !== undefined) precision = known.old === null ? null : Number(known.old)
  }
  const oldest = history.at(-1)?.from
  const from = launch.first_seen_at ?? oldest
  if (from !== undefined) {
    const seen = oldest !== undefined && oldest < from ? oldest : from
    history.push({ from: seen, net, precision: precision ?? MONTH })
  }
  return history.reverse()
}

function movesAt(changes: readonly StoredChange[]): Map<number, StoredChange[]> {
  const groups = new Map<number, StoredChange[]>()
  for (const change of changes) {
    if (change.field !== 'net' && change.field !== 'net_precision') continue
    const at = change.seen_at.getTime()
    groups.set(at, [...(groups.get(at) ?? []), change])
  }
  return groups
}

/** One step of the chart, in SVG coordinates. `y` grows downwards, and a later T-0 is drawn higher. */
export interface ChartStep extends AnnouncedNet {
  x: number
  width: number
  y: number
  /** The height of a period; 0 for a time. */
  height: number
  /** `unsigned`: the precision changed, so it is unknown whether T-0 moved. */
  move: 'later' | 'earlier' | 'first' | 'unsigned'
}

export interface Chart {
  width: number
  height: number
  steps: ChartStep[]
  /** Ticks of the axes. */
  xs: { at: Date; x: number }[]
  ys: { at: Date; y: number }[]
}

const WIDTH = 720
const HEIGHT = 260
const LEFT = 14
/** Room for the labels of the y axis. The labels are at the right end, because a phone shows that end first. */
const RIGHT = 64
const TOP = 14
const BOTTOM = 28
/** A chart with more steps would be unreadable. */
const MAX_STEPS = 400

/** The x axis is the time of the announcement, up to `now`; the y axis is T-0. Undefined if T-0 never moved. */
export function chartOf(all: readonly AnnouncedNet[], now: Date): Chart | undefined {
  const history = all.slice(-MAX_STEPS)
  const [first] = history
  if (first === undefined || history.length < 2) return undefined
  const spans = history.map(({ net, precision }) => periodOf(net, precision))
  const x = scale(
    first.from.getTime(),
    Math.max(now.getTime(), history.at(-1)?.from.getTime() ?? 0),
    LEFT,
    WIDTH - RIGHT,
  )
  const low = Math.min(...spans.map(({ start }) => start))
  const high = Math.max(...spans.map(({ end }) => end))
  const margin = Math.max((high - low) * 0.06, 1_800_000)
  const y = scale(low - margin, high + margin, HEIGHT - BOTTOM, TOP)
  const steps = history.map((belief, index): ChartStep => {
    const span = spans[index] ?? { start: low, end: low }
    const before = history[index - 1]
    const until = history[index + 1]?.from ?? now
    const left = x.at(belief.from.getTime())
    return {
      ...belief,
      x: left,
      width: Math.max(0, x.at(until.getTime()) - left),
      y: y.at(span.end),
      height: y.at(span.start) - y.at(span.end),
      move: before === undefined ? 'first' : moveOf(before, belief).direction,
    }
  })
  return {
    width: WIDTH,
    height: HEIGHT,
    steps,
    xs: x.ticks(6).map(([at, x]) => ({ at, x })),
    ys: y.ticks(5).map(([at, y]) => ({ at, y })),
  }
}

/** Maps instants to coordinates, rounded to tenths. Ticks are at whole hours, days or weeks in UTC. */
function scale(from: number, to: number, low: number, high: number) {
  const at = (value: number) => Math.round((low + ((value - from) / Math.max(1, to - from)) * (high - low)) * 10) / 10
  const ticks = (most: number) => {
    const unit = UNITS_MS.find((ms) => (to - from) / ms <= most) ?? (to - from) / most
    const first = Math.ceil(from / unit) * unit
    const count = Math.floor((to - first) / unit) + 1
    return Array.from({ length: count }, (_, index): [Date, number] => {
      const value = first + index * unit
      return [new Date(value), at(value)]
    })
  }
  return { at, ticks }
}

const HOUR = 3_600_000
const UNITS_MS = [
  ...[0.25, 0.5, 1, 2, 6, 12],
  ...[1, 2, 7, 14, 28, 56, 91, 182, 364, 1_820].map((days) => days * 24),
].map((hours) => hours * HOUR)
