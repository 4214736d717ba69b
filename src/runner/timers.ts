/** The longest wait of a Node timer, 24 days. */
export const MAX_TIMER_MS = 2 ** 31 - 1

const LATEST_MS = Date.UTC(9999, 11, 31)

/** The instant `ms` from now; not after 9999, the last year that Postgres reads in ISO form. */
export function dueAfter(ms: number): Date {
  return new Date(Math.min(Date.now() + Math.max(0, ms), LATEST_MS))
}

/** Timers for instants (ms since 1970), one for each key. */
export class Timers<Key> {
  readonly #timers = new Map<Key, NodeJS.Timeout>()

  wakeAt(key: Key, at: number, act: () => void): void {
    clearTimeout(this.#timers.get(key))
    const wait = Math.min(Math.max(0, at - Date.now()), MAX_TIMER_MS)
    const wake = () => (Date.now() < at ? this.wakeAt(key, at, act) : act())
    this.#timers.set(key, setTimeout(wake, wait))
  }

  clear(except?: Key): void {
    for (const [key, timer] of this.#timers) if (key !== except) clearTimeout(timer)
  }
}
