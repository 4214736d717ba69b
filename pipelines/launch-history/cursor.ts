import { fail } from 'tminus'

/**
 * The position of the next page. It is a T-0 (`net`) and not an offset, because an hour may pass between two pages. A
 * launch that is added or removed in this time would shift all later offsets.
 */
export interface Cursor {
  /** The earliest T-0 of the page; inclusive, because several launches may share it. Null: from the beginning. */
  net: Date | null
  /** How many launches from `net` on to skip. It is 0, unless launches with the same `net` fill whole pages. */
  offset: number
  /** Ids with this `net` that were already received. */
  ids: string[]
}

/** The launches of a page that the previous page did not contain. */
export function newOf({ ids }: Cursor, results: readonly unknown[]): unknown[] {
  return results.filter((launch) => !ids.includes(String(at(launch, 'id'))))
}

/**
 * The cursor after a page that is not the last page. The launches are in the received order, ascending by net.
 *
 * Throws TminusError `failed`, not retryable, if the page is in another order or no launch has a net: the load would
 * then miss launches.
 */
export function cursorAfter({ net, offset }: Cursor, results: readonly unknown[]): Cursor {
  const nets = results.map((launch) => Date.parse(String(at(launch, 'net')))).filter((time) => !Number.isNaN(time))
  const first = nets[0]
  const last = nets.at(-1)
  if (first === undefined || last === undefined) throw unexpectedList('has a page without any net')
  if (nets.some((time, index) => time < (nets[index - 1] ?? net?.getTime() ?? time)))
    throw unexpectedList('is not ordered by net')
  if (first === last) {
    const before = last === net?.getTime() ? offset : 0
    return { net: new Date(last), offset: before + results.length, ids: [] }
  }
  const there = results.filter((launch) => Date.parse(String(at(launch, 'net'))) === last)
  return { net: new Date(last), offset: 0, ids: there.map((launch) => String(at(launch, 'id'))) }
}

/** Throws TminusError `failed`, not retryable, if the page was already received: the load would never end. */
export function refuseRepeated(pages: Set<string>, results: readonly unknown[]): void {
  const page = JSON.stringify(results.map((launch) => at(launch, 'id')))
  if (pages.has(page)) throw unexpectedList('repeats a page')
  pages.add(page)
}

function at(launch: unknown, key: 'id' | 'net'): unknown {
  return (launch as Partial<Record<typeof key, unknown>> | null)?.[key]
}

function unexpectedList(what: string) {
  return fail(`The list of previous launches ${what}; check LAUNCH_LIBRARY_URL, or the API has changed`)
}
