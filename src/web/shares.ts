/** The limit of each key at one time: `{ 'user:jane': 2, 'address:192.0.2.1': 12 }`. */
export type Limits = Readonly<Record<string, number>>

/** Divides a shared resource, so that one client cannot take all of it. */
export class Shares {
  readonly #held = new Map<string, number>()

  /** Takes one unit for each key. Returns a function that releases the units; undefined if a key is at its limit. */
  take(limits: Limits): (() => void) | undefined {
    const entries = Object.entries(limits)
    if (entries.some(([key, most]) => this.held(key) >= most)) return undefined
    for (const [key] of entries) this.#held.set(key, this.held(key) + 1)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      for (const [key] of entries) this.#release(key)
    }
  }

  held(key: string): number {
    return this.#held.get(key) ?? 0
  }

  #release(key: string): void {
    const left = this.held(key) - 1
    if (left > 0) this.#held.set(key, left)
    else this.#held.delete(key)
  }
}
