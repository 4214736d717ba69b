import type { Left } from '../launches/launch-library/quota.ts'
import { reserveOf } from '../launches/launch-library/quota-rule.ts'
import type { PageSummary } from '../launches/store-page.ts'
import type { Load } from './history-store.ts'

/** Calls an hour, of 15, that are left to the list of upcoming launches: it matters more than what is long past. */
export const RESERVE = 6

/** `page 12: 97 new, 2 unchanged; 1,189 of 7,412 launches (12 of 75 pages)`. */
export function pageWords(load: Load, { inserted, updated, unchanged, rejected }: PageSummary): string {
  const counts = { new: inserted, changed: updated, unchanged, rejected }
  const told = Object.entries(counts).flatMap(([name, count]) => (count > 0 ? [`${count} ${name}`] : []))
  return `page ${load.pages}: ${told.join(', ') || 'no launches'}; ${progressWords(load)}`
}

/** `1,200 of 7,412 launches (12 of 75 pages)`, as far as it is known. */
export function progressWords(load: Load): string {
  const { launches, pages, total } = load
  const left = pagesLeft(load)
  if (total === null || left === undefined) return `${number(launches)} launches (${number(pages)} pages)`
  return `${number(launches)} of ${number(Math.max(total, launches))} launches (${pages} of ${pages + left} pages)`
}

/** `, done about 21:00Z`; nothing where it cannot be told. */
export function doneWords(load: Load, left: Left, now: Date): string {
  const pages = pagesLeft(load)
  const done = pages === undefined || load.finishedAt ? undefined : doneAt(pages, left, now)
  return done === undefined ? '' : `, done about ${timeWords(done, now)}`
}

/** `21:00Z`, with the date where it is another day than `now`. */
export function timeWords(time: Date, now: Date): string {
  const [date, clock] = time.toISOString().split('T')
  const day = date === now.toISOString().split('T')[0] ? '' : `${date} `
  return `${day}${clock?.slice(0, 5)}Z`
}

/** Pages of 100 begin with the launch the one before ended with. */
const NEW_A_PAGE = 99

function pagesLeft({ finishedAt, launches, total }: Load): number | undefined {
  if (finishedAt) return 0
  return total === null ? undefined : Math.max(1, Math.ceil((total - launches) / NEW_A_PAGE))
}

/** When the last page is due, if nobody else uses the quota; undefined where no limit is known. */
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
