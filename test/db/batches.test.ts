import { expect, test } from 'vitest'
import { inBatches, type Waiting, writeOrSplit } from '../../src/db/batches.ts'

test('items that arrive while a batch is handled form the next batch', async () => {
  const batches: string[][] = []
  const add = inBatches(async (items: readonly Waiting<string, number>[]) => {
    batches.push(items.map(({ item }) => item))
    if (batches.length === 1) late.push(add('c'), add('d'))
    for (const { item, resolve } of items) resolve(item.length)
  })
  const late: Promise<number>[] = []
  expect(await Promise.all([add('a'), add('bb')])).toEqual([1, 2])
  await Promise.all(late)
  expect(batches).toEqual([
    ['a', 'bb'],
    ['c', 'd'],
  ])
})

test('if a batch fails, its open items fail, its settled items keep their result, and later items are handled', async () => {
  const add = inBatches(async (items: readonly Waiting<string, string>[]) => {
    items[0]?.resolve('stored')
    if (items.length > 1) throw new Error('lost')
  })
  expect(await Promise.allSettled([add('a'), add('b')])).toMatchObject([
    { value: 'stored' },
    { reason: { message: 'lost' } },
  ])
  expect(await add('c')).toBe('stored')
})

const refusing = (bad: readonly number[]) => (items: readonly number[]) =>
  items.some((item) => bad.includes(item)) ? Promise.reject(new Error('value too long')) : Promise.resolve()

test('a bad item is refused alone, and all others are written', async () => {
  const written: number[] = []
  const refused: number[] = []
  const write = async (items: readonly number[]) => {
    await refusing([3, 6])(items)
    written.push(...items)
  }
  await writeOrSplit([1, 2, 3, 4, 5, 6, 7], write, (items) => refused.push(...items))
  expect([written, refused]).toEqual([
    [1, 2, 4, 5, 7],
    [3, 6],
  ])
})

test('during an outage the items are refused together', async () => {
  const lost = Object.assign(new Error('connection terminated'), { code: '08006' })
  const refused: (readonly number[])[] = []
  await writeOrSplit(
    [1, 2, 3],
    () => Promise.reject(lost),
    (items) => refused.push(items),
  )
  expect(refused).toEqual([[1, 2, 3]])
})
