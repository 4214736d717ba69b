import type { Left } from '../launches/launch-library/quota.ts'
import { reserveOf } from '../launches/launch-library/quota-rule.ts'
import { instantText } from '../launches/launch-text.ts'
import { countsText, type PageSummary } from '../launches/store-page.ts'
import type { Load } from './history-store.ts'

/**
 * The number of calls (of 15 an hour) to leave for `rocket-launches`, because upcoming launches matter more than past
 * launches.
 */
export const RESERVE = 6

/** `page 12: 97 new, 2 unchanged; 1,189 of 7,412 launches (12 of 75 pages)`. */
export function pageText(load: Load, stored: PageSummary): string {
  return `page ${load.pages}: ${countsText(stored)}; ${progressText(load)}`
}

/** `1,200 of 7,412 launches (12 of 75 pages)`; without the totals if they are unknown. */
export function progressText(load: Load): string {
  const { launches, pages, total } = load
  const left = pagesLeft(load)
  if (total === null || left === undefined) return `${number(launches)} launches (${number(pages)} pages)`
  return `${number(launches)} of ${number(Math.max(total, launches))} launches (${pages} of ${pages + left} pages)`
}

/** `, done about 21:00Z`; empty if that is unknown. */
export function doneText(load: Load, left: Left, now: Date): string {
  const pages = pagesLeft(load)
  const done = pages === undefined || load.finishedAt ? undefined : doneAt(pages, left, now)
  return done === undefined ? '' : `, done about ${timeText(done, now)}`
}

/** `21:00Z`; with its date if that is another day than today. */
export function timeText(time: Date, now: Date): string {
  const [date, clock = ''] = instantText(time).split(' ')
  return instantText(now).startsWith(`${date} `) ? clock : `${date} ${clock}`
}

/** A page of 100 starts with the last launch of the previous page. */
const NEW_PER_PAGE = 99

function pagesLeft({ finishedAt, launches, total }: Load): number | undefined {
  if (finishedAt) return 0
  return total === null ? undefined : Math.max(1, Math.ceil((total - launches) / NEW_PER_PAGE))
}

/** When the last page is due if nothing else uses the quota; undefined if no limit is known. */
function doneAt(pages: number, { calls, until, limit, windowSeconds }: Left, now: Date): Date | undefined {
  if (calls === undefined || limit === undefined || windowSeconds === undefined) return undefined
  if (pages <= calls) return now
  const windowMs = windowSeconds * 1_000
  const perWindow = Math.max(1, limit - reserveOf(limit, RESERVE))
  const next = until ?? new Date(now.getTime() + windowMs)
  return new Date(next.getTime() + (Math.ceil((pages - calls) / perWindow) - 1) * windowMs)
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}
