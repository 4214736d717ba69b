/** A ready task instance, by its position in its run's graph. */
export interface Ready<Run> {
  run: Run
  index: number
  priority: number
  order: number
}

/** A binary heap: highest priority first, then oldest run, then order in the graph. */
export class ReadyQueue<Run> {
  #heap: Ready<Run>[] = []

  get size(): number {
    return this.#heap.length
  }

  push(entry: Ready<Run>): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#swapIfBefore(at, parent)) return
      at = parent
    }
  }

  pop(): Ready<Run> | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    heap[0] = last
    for (let at = 0; ; ) {
      const left = 2 * at + 1
      const right = left + 1
      const child = right < heap.length && before(heap[right], heap[left]) ? right : left
      if (child >= heap.length || !this.#swapIfBefore(child, at)) return first
      at = child
    }
  }

  #swapIfBefore(a: number, b: number): boolean {
    const x = this.#heap[a]
    const y = this.#heap[b]
    if (x === undefined || y === undefined || !before(x, y)) return false
    this.#heap[a] = y
    this.#heap[b] = x
    return true
  }
}

function before<Run>(a: Ready<Run> | undefined, b: Ready<Run> | undefined): boolean {
  if (a === undefined || b === undefined) return a !== undefined
  return (b.priority - a.priority || a.order - b.order || a.index - b.index) < 0
}
