import { moveOf } from '../../launches/net.ts'
import type { StoredChange } from '../../launches/read-launches.ts'
import { periodOf } from '../../launches/time.ts'

/** What T-0 was held to be, from a moment on until the next of these. */
export interface Belief {
  from: Date
  net: Date
  /** Launch Library's id; a month where it is not known. */
  precision: number
}

interface Known {
  net: Date
  net_precision: number | null
  first_seen_at: Date | null
}

const MONTH = 7

/**
 * How T-0 moved, oldest first, read back from what it is now through the changes (newest first, as `readChanges` gives
 * them). The first is that of the moment the launch was first seen.
 */
export function beliefsOf(launch: Known, changes: readonly StoredChange[]): Belief[] {
  const beliefs: Belief[] = []
  let { net, net_precision: precision } = launch
  for (const [at, group] of movesAt(changes)) {
    beliefs.push({ from: new Date(at), net, precision: precision ?? MONTH })
    const moved = group.find(({ field }) => field === 'net')?.old
    const known = group.find(({ field }) => field === 'net_precision')
    if (moved != null && !Number.isNaN(Date.parse(moved))) net = new Date(moved)
    if (known !== undefined) precision = known.old === null ? null : Number(known.old)
  }
  const oldest = beliefs.at(-1)?.from
  const from = launch.first_seen_at ?? oldest
  if (from !== undefined) {
    const seen = oldest !== undefined && oldest < from ? oldest : from
    beliefs.push({ from: seen, net, precision: precision ?? MONTH })
  }
  return beliefs.reverse()
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

/** A rectangle of the chart, in its own coordinates: `y` grows downwards, later is higher. */
export interface Drawn extends Belief {
  x: number
  width: number
  y: number
  /** Of a period; 0 of a time. */
  height: number
  /** `unsigned`: known otherwise, and perhaps not moved at all. */
  move: 'later' | 'earlier' | 'first' | 'unsigned'
}

export interface Chart {
  width: number
  height: number
  drawn: Drawn[]
  /** Instants with their place on the axis. */
  xs: { at: Date; x: number }[]
  ys: { at: Date; y: number }[]
}

const WIDTH = 720
const HEIGHT = 260
const LEFT = 14
/** Room for the days it was held to be, beside what is so now: the end of a chart that a phone shows first. */
const RIGHT = 64
const TOP = 14
const BOTTOM = 28
/** Beyond, a chart shows a decade in which nothing can be told apart. */
const MOST = 400

/** Time seen to the right, T-0 upwards; until `now`. Undefined where it never moved. */
export function chartOf(all: readonly Belief[], now: Date): Chart | undefined {
  const beliefs = all.slice(-MOST)
  const [first] = beliefs
  if (first === undefined || beliefs.length < 2) return undefined
  const spans = beliefs.map(({ net, precision }) => periodOf(net, precision))
  const x = scale(
    first.from.getTime(),
    Math.max(now.getTime(), beliefs.at(-1)?.from.getTime() ?? 0),
    LEFT,
    WIDTH - RIGHT,
  )
  const low = Math.min(...spans.map(({ start }) => start))
  const high = Math.max(...spans.map(({ end }) => end))
  const margin = Math.max((high - low) * 0.06, 1_800_000)
  const y = scale(low - margin, high + margin, HEIGHT - BOTTOM, TOP)
  const drawn = beliefs.map((belief, index): Drawn => {
    const span = spans[index] ?? { start: low, end: low }
    const before = beliefs[index - 1]
    const until = beliefs[index + 1]?.from ?? now
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
    drawn,
    xs: x.ticks(6).map(([at, x]) => ({ at, x })),
    ys: y.ticks(5).map(([at, y]) => ({ at, y })),
  }
}

/** From instants to places, rounded to tenths; its ticks lie on whole hours, days or weeks of UTC. */
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
