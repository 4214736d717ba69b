import { isPrecise, type Launch } from './launch.ts'
import { periodOf, precisionClass, precisionOf } from './time.ts'

/** T-0 ("no earlier than") and how precisely it is known. */
export interface Net {
  net: Date
  /** Launch Library's id, see `Launch`. */
  precision: number
}

/**
 * How a T-0 changed. `later` and `earlier` are used only if the direction is certain, because the two periods do not
 * overlap.
 */
export interface Move {
  direction: 'later' | 'earlier' | 'unsigned'
  /** `set`: now known more precisely. `open`: now known less precisely. */
  precision: 'same' | 'set' | 'open'
  /** The time between the starts of the two periods, in ms; not negative. */
  byMs: number
}

export function netOf(launch: Pick<Launch, 'net' | 'net_precision'>): Net {
  return { net: launch.net, precision: precisionOf(launch) }
}

/** A day is in the launch site's time zone, which is not known: the evening of the 8th in Florida is the 9th in UTC. */
const TIME_ZONE_SLACK_MS = 12 * 3_600_000

export function moveOf(from: Net, to: Net): Move {
  const [old, present] = [periodOf(from.net, from.precision), periodOf(to.net, to.precision)]
  const slack = isPrecise(from.precision) === isPrecise(to.precision) ? 0 : TIME_ZONE_SLACK_MS
  const finer = precisionClass(from.precision) - precisionClass(to.precision)
  return {
    // Two equal precise times satisfy `>=` in both directions. The checks with `>` exclude them.
    direction:
      present.start >= old.end + slack && present.start > old.start
        ? 'later'
        : old.start >= present.end + slack && old.start > present.start
          ? 'earlier'
          : 'unsigned',
    precision: finer === 0 ? 'same' : finer > 0 ? 'set' : 'open',
    byMs: Math.abs(present.start - old.start),
  }
}
