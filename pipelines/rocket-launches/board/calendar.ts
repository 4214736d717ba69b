import { createHash } from 'node:crypto'
import type { ICalCalendar, ICalEventData } from 'ical-generator'
import { truncate } from 'tminus/connectors/discord'
import { isFlown, isPrecise } from '../../launches/launch.ts'
import { detailsUrl, placeText, singleLine } from '../../launches/launch-facts.ts'
import { statusText } from '../../launches/launch-text.ts'
import { coarseTime, periodOf, precisionOf } from '../../launches/time.ts'
import type { BoardLaunch } from './query.ts'

const WEEK = 6
const GO = 1
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/**
 * Launches as a calendar to subscribe to (RFC 5545). A time is an hour, or until the window closes; a day or a week of
 * which no time is known is that day or week, whole. What is known to the month or less is left out: such bars would
 * bury everything else. An entry moves with its launch, since it is known by the launch's id.
 */
export async function calendarOf(launches: readonly BoardLaunch[]): Promise<string> {
  const shown = launches.filter(isInCalendar)
  const key = createHash('sha256').update(JSON.stringify(shown)).digest('base64')
  const text = written.get(key) ?? write(shown)
  // Back to the end: the first is the one that was not asked for the longest.
  written.delete(key)
  written.set(key, text)
  for (const [oldest] of written) if (written.size > MOST_KEPT) written.delete(oldest)
  return await text
}

/**
 * Calendars as they were written, by the launches in them: an event takes a fifth of a millisecond, and programs ask for
 * the same ones again and again.
 */
const written = new Map<string, Promise<string>>()
const MOST_KEPT = 20

async function write(launches: readonly BoardLaunch[]): Promise<string> {
  const { default: ical } = await import('ical-generator')
  const calendar: ICalCalendar = ical({
    name: 'Rocket launches',
    description: 'From Launch Library 2, by T-minus. Launches of which only the month is known, or less, are left out.',
    prodId: { company: 'T-minus', product: 'rocket-launches' },
    ttl: 3_600,
  })
  for (const launch of launches) calendar.createEvent(eventOf(launch))
  return calendar.toString()
}

function isInCalendar(launch: Pick<BoardLaunch, 'net_precision'>): boolean {
  return precisionOf({ netPrecision: launch.net_precision }) <= WEEK
}

function eventOf(launch: BoardLaunch): ICalEventData {
  const details = detailsUrl({ infoUrl: launch.info_url, slug: launch.slug })
  const changed = launch.updated_at ?? launch.first_seen_at ?? launch.net
  return {
    id: `${launch.launch_id}@tminus`,
    ...timesOf(launch),
    stamp: changed,
    lastModified: changed,
    summary: line(launch.name),
    description: descriptionOf(launch),
    location: line(placeText(launch)) || null,
    ...(details && { url: details }),
    // The texts of RFC 5545: the library's enumerations are loaded only with it.
    status: (isCertain(launch) ? 'CONFIRMED' : 'TENTATIVE') as never,
    transparency: 'TRANSPARENT' as never,
  }
}

/** Go for launch, or flown, whatever became of it. On hold, or with a date to be confirmed, it is tentative. */
function isCertain({ status_id }: BoardLaunch): boolean {
  return status_id === GO || isFlown(status_id)
}

function timesOf({ net, net_precision, window_end }: BoardLaunch): Pick<ICalEventData, 'start' | 'end' | 'allDay'> {
  const { start, end } = periodOf(net, precisionOf({ netPrecision: net_precision }))
  if (!isPrecise(net_precision)) return { start: new Date(start), end: new Date(end), allDay: true }
  const closes = window_end?.getTime() ?? 0
  const isWindow = closes > start && closes <= start + DAY_MS
  return { start: net, end: new Date(isWindow ? closes : start + HOUR_MS) }
}

function descriptionOf(launch: BoardLaunch): string {
  const { net, net_precision } = launch
  return [
    line(statusText(launch)),
    ...(isPrecise(net_precision) ? [] : [coarseTime(net, precisionOf({ netPrecision: net_precision }))]),
    line([launch.provider, launch.rocket].filter(Boolean).join(' · ')),
    line(launch.mission_description, 400),
    ...(launch.webcast_url ? [`Watch: ${line(launch.webcast_url, 2_000)}`] : []),
  ]
    .filter((part) => part !== '')
    .join('\n')
}

/** On one line, without control characters: most readers refuse a calendar that holds any. */
function line(text: string | null, longest = 300): string {
  return truncate((singleLine(text) ?? '').replaceAll('\uFFFD', ''), longest)
}
