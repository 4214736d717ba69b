import { uptime } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * The process's clock. With `start` (the setting CLOCK, for replays and tests) it begins at that instant and continues
 * from there.
 */
export interface Clock {
  now(): Date
}

/**
 * Starts a measurement. The returned function returns the milliseconds since this call. Setting the clock changes
 * nothing. The time for which the machine was suspended counts: Node's own monotonic clock stops during a suspend, but
 * `uptime` does not.
 */
export function stopwatch(): () => number {
  const from = { monotonic: performance.now(), uptime: uptime() }
  return () => Math.max(performance.now() - from.monotonic, (uptime() - from.uptime) * 1_000)
}

/** Waits for the work, but at most `ms`. Then it returns undefined, and the work goes on. Throws what the work throws. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  return await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/** Waits until the condition is met, but at most `ms`. */
export async function until(met: () => boolean, ms: number): Promise<void> {
  const deadline = performance.now() + ms
  while (!met() && performance.now() < deadline) await delay(20)
}

export function openClock(start?: Date): Clock {
  const offset = start === undefined ? 0 : start.getTime() - Date.now()
  return { now: () => new Date(Date.now() + offset) }
}

const LATEST_MS = Date.UTC(9999, 11, 31)

/** The instant `ms` from now; at most in the year 9999, the last year that Postgres reads in ISO form. */
export function dueAfter(ms: number): Date {
  return new Date(Math.min(Date.now() + Math.max(0, ms), LATEST_MS))
}

/** A Node timer stands still while the machine is suspended, so a long wait is checked this often. */
const CHECK_EVERY_MS = 30_000

/** Timers, one for each key. Setting the clock does not move them. */
export class Timers<Key> {
  readonly #timers = new Map<Key, { timer: NodeJS.Timeout; act: () => void }>()
  readonly #hurried = new Set<Key>()

  wakeAfter(key: Key, ms: number, wake: () => void): void {
    const passed = stopwatch()
    const isHurried = this.#hurried.delete(key)
    const act = () => {
      this.#timers.delete(key)
      wake()
    }
    const wait = () => {
      const left = isHurried ? 0 : Math.max(0, ms - passed())
      const timer = left <= CHECK_EVERY_MS ? setTimeout(act, left) : setTimeout(wait, CHECK_EVERY_MS)
      this.#timers.set(key, { timer, act })
    }
    clearTimeout(this.#timers.get(key)?.timer)
    wait()
  }

  /** The timer of this key acts now. If it is not set, the next one acts as soon as it is set. */
  hurry(key: Key): void {
    const { act } = this.#timers.get(key) ?? {}
    this.#hurried.add(key)
    if (act !== undefined) this.wakeAfter(key, 0, act)
  }

  clear(except?: Key): void {
    for (const [key, { timer }] of this.#timers) {
      if (key === except) continue
      clearTimeout(timer)
      this.#timers.delete(key)
    }
  }
}
