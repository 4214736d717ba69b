/** FUZZ=full runs all cases, FUZZ_SEED=n other random cases; a failure names the seed. */
export const FULL = process.env.FUZZ === 'full'
/** FUZZ=short runs the short form of a test that is not reliable enough on a busy machine to run always. */
export const SHORT = process.env.FUZZ === 'short'
export const SEED = Number(process.env.FUZZ_SEED ?? 1)

/** Numbers that look random and are the same for the same seed (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 up to 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** From 0 to `below`, without it. */
  int(below: number): number {
    return Math.floor(this.next() * below)
  }

  pick<T>(of: readonly T[]): T {
    return of[this.int(of.length)] as T
  }
}
