/**
 * The expected ticks of a schedule, computed slowly: it reads the local time of each minute (Intl), and computes nothing
 * from offsets. It shares no code with the scheduler that it checks.
 */
export interface Pattern {
  cron: string
  everyHour: boolean
  matches(hour: number, minute: number): boolean
}

const MINUTE = 60_000
const clocks = new Map<string, Intl.DateTimeFormat>()

/** The local time, as if it were UTC; ms. */
export function wallAt(zone: string, instant: number): number {
  const clock =
    clocks.get(zone) ?? new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' })
  clocks.set(zone, clock)
  return Date.parse(`${clock.format(instant).replace(' ', 'T')}Z`)
}

/** Instants of a year at which a zone's clocks are set forward or back. */
export function changesOf(zone: string, year: number): number[] {
  const ahead = (instant: number) => wallAt(zone, instant) - instant
  const found: number[] = []
  const day = 24 * 60 * MINUTE
  for (let at = Date.UTC(year, 0, 1); at < Date.UTC(year + 1, 0, 1); at += day) {
    if (ahead(at) === ahead(at + day)) continue
    let [low, high] = [at, at + day]
    while (high - low > MINUTE) {
      const middle = low + Math.floor((high - low) / 2 / MINUTE) * MINUTE
      if (ahead(middle) === ahead(at)) low = middle
      else high = middle
    }
    found.push(high)
  }
  return found
}

/** The local time at each minute from one to another. */
export function readWall(zone: string, from: number, until: number): number[] {
  return Array.from({ length: (until - from) / MINUTE + 1 }, (_, minute) => wallAt(zone, from + minute * MINUTE))
}

/** Ticks after `from`, by the local time of each following minute, with at most one clock change among them. */
export function expectedTicks({ everyHour, matches }: Pattern, from: number, walls: readonly number[]): number[] {
  const isMatch = (wall: number) => matches(new Date(wall).getUTCHours(), new Date(wall).getUTCMinutes())
  const ticks = new Set<number>()
  const shown = new Set<number>()
  for (const [minute, wall] of walls.entries()) {
    const at = from + minute * MINUTE
    const before = walls[minute - 1]
    if (before === undefined) continue
    const isWholeHours = (wall - before - MINUTE) % (60 * MINUTE) === 0
    for (let skipped = before + MINUTE; skipped < wall; skipped += MINUTE) {
      if (isMatch(skipped) && !(everyHour && isWholeHours)) ticks.add(at)
    }
    if (isMatch(wall) && (everyHour || !shown.has(wall))) ticks.add(at)
    shown.add(wall)
  }
  return [...ticks].sort((a, b) => a - b)
}
