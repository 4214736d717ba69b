import { createHash } from 'node:crypto'
import type { ICalCalendar, ICalEventData } from 'ical-generator'
import { truncate } from 'tminus/connectors/discord'
import { isFlown, isPrecise } from '../../launches/launch.ts'
import { detailsUrl, placeText, singleLine } from '../../launches/launch-facts.ts'
import { statusText } from '../../launches/launch-text.ts'
import { coarseTime, periodOf, precisionOf } from '../../launches/time.ts'
import { EN } from '../../launches/words/en.ts'
import type { BoardLaunch } from './query.ts'

const WEEK = 6
const GO = 1
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/**
 * Launches as a calendar (RFC 5545). A launch with a time gets an entry of one hour, or until its window closes. If
 * only the day or week is known, the launch gets an all-day entry. If only the month, quarter or year is known, the
 * launch gets no entry, because its bar would hide the others. The entry's id is the launch's, so the entry moves with
 * the launch.
 */
export async function calendarOf(launches: readonly BoardLaunch[]): Promise<string> {
  const shown = launches.filter(isInCalendar)
  const key = createHash('sha256').update(JSON.stringify(shown)).digest('base64')
  const text = cache.get(key) ?? write(shown)
  // Moves this calendar to the end of the map. So the first calendar of the map is the least recently used.
  cache.delete(key)
  cache.set(key, text)
  for (const [oldest] of cache) if (cache.size > CACHE_SIZE) cache.delete(oldest)
  return await text
}

/**
 * Cached calendars by the hash of their launches. Writing an event takes 0.2 ms, and programs often request the same
 * events.
 */
const cache = new Map<string, Promise<string>>()
const CACHE_SIZE = 20

async function write(launches: readonly BoardLaunch[]): Promise<string> {
  const { default: ical } = await import('ical-generator')
  const calendar: ICalCalendar = ical({
    name: 'Rocket launches',
    description: 'From Launch Library 2, by T-minus. Launches known only by month, quarter or year are not included.',
    prodId: { company: 'T-minus', product: 'rocket-launches' },
    ttl: 3_600,
  })
  for (const launch of launches) calendar.createEvent(eventOf(launch))
  return calendar.toString()
}

function isInCalendar(launch: Pick<BoardLaunch, 'net_precision'>): boolean {
  return precisionOf(launch) <= WEEK
}

function eventOf(launch: BoardLaunch): ICalEventData {
  const details = detailsUrl(launch)
  const changed = launch.updated_at ?? launch.first_seen_at ?? launch.net
  return {
    // ical-generator writes the id as it is, and a line break in it would start a line of its own.
    id: `${encodeURIComponent(launch.launch_id)}@tminus`,
    ...timesOf(launch),
    stamp: changed,
    lastModified: changed,
    summary: line(launch.name),
    description: descriptionOf(launch),
    location: line(placeText(launch)) || null,
    ...(details && { url: details }),
    // Plain words of RFC 5545: importing the library's enums would load the library at start.
    status: (isCertain(launch) ? 'CONFIRMED' : 'TENTATIVE') as never,
    transparency: 'TRANSPARENT' as never,
  }
}

/** True when the status is Go or the launch has flown. A launch on hold or to be confirmed is tentative. */
function isCertain({ status_id }: BoardLaunch): boolean {
  return status_id === GO || isFlown(status_id)
}

function timesOf({ net, net_precision, window_end }: BoardLaunch): Pick<ICalEventData, 'start' | 'end' | 'allDay'> {
  const { start, end } = periodOf(net, precisionOf({ net_precision }))
  if (!isPrecise(net_precision)) return { start: new Date(start), end: new Date(end), allDay: true }
  const closes = window_end?.getTime() ?? 0
  const hasWindow = closes > start && closes <= start + DAY_MS
  return { start: net, end: new Date(hasWindow ? closes : start + HOUR_MS) }
}

function descriptionOf(launch: BoardLaunch): string {
  const { net, net_precision } = launch
  return [
    line(statusText(launch, EN)),
    ...(isPrecise(net_precision) ? [] : [coarseTime(net, precisionOf({ net_precision }), EN)]),
    line([launch.provider, launch.rocket].filter(Boolean).join(' · ')),
    line(launch.mission_description, 400),
    ...(launch.webcast_url ? [`Watch: ${line(launch.webcast_url, 2_000)}`] : []),
  ]
    .filter((part) => part !== '')
    .join('\n')
}

/** One line without control characters: most calendar programs refuse a file that has any. */
function line(text: string | null, longest = 300): string {
  return truncate((singleLine(text) ?? '').replaceAll('\uFFFD', ''), longest)
}
