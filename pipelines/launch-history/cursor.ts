import { fail } from 'tminus'

/**
 * Where the next page begins. By net and not by offset: a launch that comes to the list or leaves it would move every
 * later one by a place, and an hour lies between two pages now and then.
 */
export interface Cursor {
  /** Inclusive, since several launches may share it. Null: from the beginning. */
  net: Date | null
  /** How many launches from there on to leave out; not 0 only where one net fills whole pages. */
  offset: number
  /** Ids at `net` that were received already. */
  ids: string[]
}

/** Those of a page that the one before did not bring already. */
export function freshOf({ ids }: Cursor, results: readonly unknown[]): unknown[] {
  return results.filter((launch) => !ids.includes(String(at(launch, 'id'))))
}

/**
 * The cursor behind a page (in API shape, ascending by net) that is not the last one.
 *
 * Throws TminusError `failed`, not retryable, where the page is not in this order or has no net at all: going on would
 * lose launches.
 */
export function cursorAfter({ net, offset }: Cursor, results: readonly unknown[]): Cursor {
  const nets = results.map((launch) => Date.parse(String(at(launch, 'net')))).filter((time) => !Number.isNaN(time))
  const first = nets[0]
  const last = nets.at(-1)
  if (first === undefined || last === undefined) throw astray('tells no net of a launch')
  if (nets.some((time, index) => time < (nets[index - 1] ?? net?.getTime() ?? time)))
    throw astray('is not ordered by net, as was asked')
  if (first === last) {
    const before = last === net?.getTime() ? offset : 0
    return { net: new Date(last), offset: before + results.length, ids: [] }
  }
  const there = results.filter((launch) => Date.parse(String(at(launch, 'net'))) === last)
  return { net: new Date(last), offset: 0, ids: there.map((launch) => String(at(launch, 'id'))) }
}

/** Throws as `cursorAfter` where a page that is not the last comes a second time: the load would have no end. */
export function refuseRepeated(pages: Set<string>, results: readonly unknown[]): void {
  const page = JSON.stringify(results.map((launch) => at(launch, 'id')))
  if (pages.has(page)) throw astray('gives a page twice')
  pages.add(page)
}

function at(launch: unknown, key: 'id' | 'net'): unknown {
  return (launch as Partial<Record<typeof key, unknown>> | null)?.[key]
}

function astray(what: string) {
  return fail(`The list of previous launches ${what}; the API changed, or LAUNCH_LIBRARY_URL is not Launch Library`)
}
