import { stopwatch } from '../clock.ts'

const LATEST_MS = Date.UTC(9999, 11, 31)

/** The instant `ms` from now; not after 9999, the last year that Postgres reads in ISO form. */
export function dueAfter(ms: number): Date {
  return new Date(Math.min(Date.now() + Math.max(0, ms), LATEST_MS))
}

/** A Node timer stands still while the machine is suspended, so a long wait is checked this often. */
const CHECK_EVERY_MS = 30_000

/** Timers, one for each key. Setting the clock does not move them. */
export class Timers<Key> {
  readonly #timers = new Map<Key, NodeJS.Timeout>()

  wakeAfter(key: Key, ms: number, act: () => void): void {
    const passed = stopwatch()
    const wait = () => {
      const left = ms - passed()
      this.#timers.set(
        key,
        setTimeout(left <= CHECK_EVERY_MS ? act : wait, Math.min(Math.max(0, left), CHECK_EVERY_MS)),
      )
    }
    clearTimeout(this.#timers.get(key))
    wait()
  }

  clear(except?: Key): void {
    for (const [key, timer] of this.#timers) if (key !== except) clearTimeout(timer)
  }
}
