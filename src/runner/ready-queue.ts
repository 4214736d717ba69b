/** A ready task instance, by its position in its run's graph. */
export interface Ready<Run> {
  run: Run
  index: number
  priority: number
  order: number
}

/** Highest priority first, then the run that came first, then the order of its graph. */
export function compareReady(a: Ready<unknown>, b: Ready<unknown>): number {
  return b.priority - a.priority || a.order - b.order || a.index - b.index
}

/** Those that wait, in order. Most come in order too, so a new one nearly always goes to the end. */
export class ReadyQueue<Run> {
  #waiting: Ready<Run>[] = []
  #first = 0

  get size(): number {
    return this.#waiting.length - this.#first
  }

  push(entry: Ready<Run>): void {
    let [low, high] = [this.#first, this.#waiting.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareReady(this.#waiting[middle] ?? entry, entry) <= 0) low = middle + 1
      else high = middle
    }
    if (low === this.#waiting.length) this.#waiting.push(entry)
    else this.#waiting.splice(low, 0, entry)
  }

  pop(): Ready<Run> | undefined {
    const entry = this.#waiting[this.#first]
    if (entry === undefined) return undefined
    // The emptied front is cut off now and then: cutting at each pop would move all the others each time.
    if (++this.#first * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first)
      this.#first = 0
    }
    return entry
  }
}
