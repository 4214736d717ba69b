import { isOutage } from '../db/outage.ts'

interface Waiting<Item, Result> {
  item: Item
  resolve: (result: Result) => void
  reject: (error: Error) => void
}

/**
 * One write at a time, each with all that waited for the one before: alone an item waits for nobody, under load many
 * share a commit. One that the database refuses does not take the others with it: then each is tried alone.
 */
export class Batch<Item, Result> {
  readonly #write: (items: readonly Item[]) => Promise<readonly Result[]>
  #waiting: Waiting<Item, Result>[] = []
  #writing = false

  constructor(write: (items: readonly Item[]) => Promise<readonly Result[]>) {
    this.#write = write
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      void this.#writeAll()
    })
  }

  async #writeAll(): Promise<void> {
    if (this.#writing) return
    this.#writing = true
    // Whatever else is added in this turn of the event loop goes into the same commit.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const taken = this.#waiting
      this.#waiting = []
      await this.#writeOnce(taken)
    }
    this.#writing = false
  }

  async #writeOnce(taken: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#write(taken.map(({ item }) => item))
      taken.forEach(({ resolve }, index) => {
        resolve(results[index] as Result)
      })
    } catch (error) {
      if (taken.length === 1 || isOutage(error)) for (const { reject } of taken) reject(error as Error)
      else for (const one of taken) await this.#writeOnce([one])
    }
  }
}
