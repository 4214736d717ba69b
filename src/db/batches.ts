import { CoalescedWork } from '../coalesced-work.ts'
import { isOutage } from './outage.ts'

/** An item that waits for a batch, with the two ends of its caller's promise. */
export interface Waiting<In, Out> {
  item: In
  resolve(out: Out): void
  reject(error: Error): void
}

/**
 * Returns a function that resolves to the result of its item. The items that arrive while `work` runs form the next
 * batch. `work` settles each of its items. If it throws, the items that are still open fail with this error.
 */
export function inBatches<In, Out>(
  work: (items: readonly Waiting<In, Out>[]) => Promise<void>,
): (item: In) => Promise<Out> {
  const waiting: Waiting<In, Out>[] = []
  const workAll = async () => {
    const items = waiting.splice(0)
    await work(items).catch((error: Error) => {
      for (const { reject } of items) reject(error)
    })
  }
  const working = new CoalescedWork(workAll, () => {})
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      working.request()
    })
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
