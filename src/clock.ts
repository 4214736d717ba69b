import { uptime } from 'node:os'

/** The process's clock. With `start` (the setting CLOCK, for replays and tests) it begins at that instant and runs on. */
export interface Clock {
  now(): Date
}

/**
 * Starts to measure: returns a function for the milliseconds since this call. Setting the clock changes nothing. The time
 * for which the machine was suspended counts: Node's own monotonic clock stops then, `uptime` does not.
 */
export function stopwatch(): () => number {
  const from = { monotonic: performance.now(), uptime: uptime() }
  return () => Math.max(performance.now() - from.monotonic, (uptime() - from.uptime) * 1_000)
}

export function openClock(start?: Date): Clock {
  const offset = start === undefined ? 0 : start.getTime() - Date.now()
  return { now: () => new Date(Date.now() + offset) }
}
