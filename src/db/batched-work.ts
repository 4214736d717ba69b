import { CoalescedWork } from '../coalesced-work.ts'
import { isOutage } from './outage.ts'

/** An item that waits for a pass, with the two ends of its caller's promise. */
export interface Waiting<In, Out> {
  item: In
  resolve(out: Out): void
  reject(error: Error): void
}

/** Handles items in passes: the items that arrive during a pass form the next pass. */
export class BatchedWork<In, Out> {
  readonly #waiting: Waiting<In, Out>[] = []
  readonly #passes: CoalescedWork

  /** @param work settles each of its items. If it throws, the items that are still open fail with this error. */
  constructor(work: (waiting: readonly Waiting<In, Out>[]) => Promise<void>) {
    const pass = async () => {
      const waiting = this.#waiting.splice(0)
      await work(waiting).catch((error: Error) => {
        for (const { reject } of waiting) reject(error)
      })
    }
    this.#passes = new CoalescedWork(pass, () => {})
  }

  /** Resolves to the result of this item. */
  add(item: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#passes.request()
    })
  }
}

/** Writes all items together. If the database refuses the items, writes each half separately, to find the bad item. */
export async function writeOrSplit<T>(
  items: readonly T[],
  write: (items: readonly T[]) => Promise<void>,
  refused: (items: readonly T[], error: Error) => void,
): Promise<void> {
  try {
    if (items.length > 0) await write(items)
  } catch (error) {
    if (items.length === 1 || isOutage(error)) return refused(items, error as Error)
    const middle = items.length >> 1
    await writeOrSplit(items.slice(0, middle), write, refused)
    await writeOrSplit(items.slice(middle), write, refused)
  }
}
