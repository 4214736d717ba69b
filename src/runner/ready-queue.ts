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

  get size(): number {
    return this.#waiting.length
  }

  push(entry: Ready<Run>): void {
    let [low, high] = [0, this.#waiting.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareReady(this.#waiting[middle] ?? entry, entry) <= 0) low = middle + 1
      else high = middle
    }
    this.#waiting.splice(low, 0, entry)
  }

  pop(): Ready<Run> | undefined {
    return this.#waiting.shift()
  }
}
