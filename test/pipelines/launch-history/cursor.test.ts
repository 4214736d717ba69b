import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Cursor, cursorAfter, newOf } from '../../../pipelines/launch-history/cursor.ts'

const START: Cursor = { net: null, offset: 0, ids: [] }

interface Listed {
  id: string
  net: string
}

function listed(id: string | number, day: number): Listed {
  return { id: String(id), net: new Date(Date.UTC(2020, 0, day)).toISOString() }
}

type Order = (one: Listed, other: Listed) => number
const byNet: Order = (one, other) => one.net.localeCompare(other.net)
const byId: Order = (one, other) => Number(one.id) - Number(other.id)

/** A page as the API gives it. */
function ask(list: Listed[], { net, offset }: Cursor, size: number): { results: Listed[]; last: boolean } {
  const rest = list.filter((launch) => net === null || Date.parse(launch.net) >= net.getTime())
  return { results: rest.slice(offset, offset + size), last: rest.length <= offset + size }
}

/** Ids in the order in which a whole load receives them; `ties` puts launches of one net in order, a page at a time. */
function readAll(list: readonly Listed[], size: number, ties: (page: number) => Order): number[] {
  const received: number[] = []
  for (let cursor = START, page = 0; ; page += 1) {
    if (page > 2 * list.length + 2) throw new Error('it never ends')
    const ordered = list.toSorted((one, other) => byNet(one, other) || ties(page)(one, other))
    const { results, last } = ask(ordered, cursor, size)
    received.push(...newOf(cursor, results).map((launch) => Number((launch as Listed).id)))
    if (last) return received
    cursor = cursorAfter(cursor, results)
  }
}

const days = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 60 })
const sizes = fc.integer({ min: 1, max: 9 })

describe('every launch is received once', () => {
  test('even if many share a net and pages end anywhere', () => {
    fc.assert(
      fc.property(days, sizes, (nets, size) => {
        const list = nets.sort((one, other) => one - other).map((day, index) => listed(index, day))
        expect(readAll(list, size, () => byId)).toEqual(list.map((_, index) => index))
      }),
      { numRuns: 1_000 },
    )
  })

  test('even if launches of one net have another order on each page, as long as they fit on one page', () => {
    fc.assert(
      fc.property(days, sizes, (nets, more) => {
        const list = nets.map((day, index) => listed(index, day))
        const most = Math.max(0, ...nets.map((day) => nets.filter((other) => other === day).length))
        const ties = (page: number): Order => (page % 2 === 0 ? byId : (one, other) => byId(other, one))
        const received = readAll(list, most + more, ties)
        expect(received.sort((one, other) => one - other)).toEqual(list.map((_, index) => index))
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('the next page', () => {
  test('starts at the last net, because another launch may share it', () => {
    const page = [listed('a', 1), listed('b', 2), listed('c', 2)]
    expect(cursorAfter(START, page)).toEqual({ net: new Date('2020-01-02'), offset: 0, ids: ['b', 'c'] })
  })

  test('after a page with one net skips its launches', () => {
    const page = [listed('a', 2), listed('b', 2)]
    const second = cursorAfter({ net: new Date('2020-01-02'), offset: 0, ids: ['a'] }, page)
    expect(second).toEqual({ net: new Date('2020-01-02'), offset: 2, ids: [] })
    expect(cursorAfter(second, page)).toEqual({ ...second, offset: 4 })
    expect(cursorAfter({ ...second, net: new Date('2020-01-01') }, page)).toEqual(second)
  })

  test('uses the nets that can be parsed', () => {
    const page = [{ id: 'x' }, listed('a', 1), null, listed('b', 2), { id: 'y', net: 'soon' }]
    expect(cursorAfter(START, page)).toEqual({ net: new Date('2020-01-02'), offset: 0, ids: ['b'] })
  })

  test.each([
    ['not by net', START, [listed('a', 2), listed('b', 1)]],
    ['from before what was asked', { ...START, net: new Date('2020-01-03') }, [listed('a', 2), listed('b', 4)]],
    ['without any net', START, [{ id: 'a' }]],
    ['empty', START, []],
  ])('is not requested after a page that came %s', (_, cursor, page) => {
    expect(() => cursorAfter(cursor, page)).toThrow(expect.objectContaining({ code: 'failed', retryable: false }))
  })
})
