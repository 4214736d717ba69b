import { describe, expect, test } from 'vitest'
import type { StoredChange } from '../../../../pipelines/launches/read-launches.ts'
import { chartOf, netHistory } from '../../../../pipelines/rocket-launches/board/slips.ts'

const day = (text: string) => new Date(`${text}T00:00:00.000Z`)
const change = (seen: string, field: string, old: string | null, now: string | null): StoredChange => ({
  launch_id: 'a',
  name: 'A',
  field,
  old,
  new: now,
  seen_at: day(seen),
  old_precision: null,
  new_precision: null,
})

const launch = { net: new Date('2026-12-12T10:00:00Z'), net_precision: 1, first_seen_at: day('2026-06-01') }
/** Newest first. Read from the end: a month, another month, a day, a time on that day, two days earlier. */
const changes = [
  change('2026-12-01', 'net', '2026-12-14T10:00:00.000Z', '2026-12-12T10:00:00.000Z'),
  change('2026-11-01', 'net', '2026-12-14T00:00:00.000Z', '2026-12-14T10:00:00.000Z'),
  change('2026-11-01', 'net_precision', '5', '1'),
  change('2026-10-01', 'name', 'B', 'A'),
  change('2026-09-01', 'net', '2026-11-30T00:00:00.000Z', '2026-12-14T00:00:00.000Z'),
  change('2026-09-01', 'net_precision', '7', '5'),
  change('2026-07-01', 'net', '2026-09-30T00:00:00.000Z', '2026-11-30T00:00:00.000Z'),
]

describe('the history of T-0', () => {
  test('is computed from the current T-0 and the changes', () => {
    const history = netHistory(launch, changes).map(({ from, net, precision }) => [
      from.toISOString().slice(0, 10),
      net.toISOString().slice(0, 16),
      precision,
    ])
    expect(history).toEqual([
      ['2026-06-01', '2026-09-30T00:00', 7],
      ['2026-07-01', '2026-11-30T00:00', 7],
      ['2026-09-01', '2026-12-14T00:00', 5],
      ['2026-11-01', '2026-12-14T10:00', 1],
      ['2026-12-01', '2026-12-12T10:00', 1],
    ])
  })

  test('handles rows of the older Airflow version and unreadable times', () => {
    const bare = { net: launch.net, net_precision: null, first_seen_at: null }
    expect(netHistory(bare, [])).toEqual([])
    const unread = [
      change('2026-07-01', 'net', 'yesterday', '2026-12-12T10:00:00.000Z'),
      change('2026-06-01', 'net_precision', null, '7'),
    ]
    expect(netHistory(bare, unread).map(({ net, precision }) => [net, precision])).toEqual(
      Array.from({ length: 3 }, () => [launch.net, 7]),
    )
  })
})

describe('the chart', () => {
  test('marks moves as later or earlier, and a time within its day as neither', () => {
    const chart = chartOf(netHistory(launch, changes), day('2026-12-10'))
    expect(chart?.steps.map(({ move }) => move)).toEqual(['first', 'later', 'later', 'unsigned', 'earlier'])
    const [month, , , time] = chart?.steps ?? []
    expect(month?.height).toBeGreaterThan(20)
    expect(time?.height).toBe(0)
  })

  test('draws all steps inside its frame: a later T-0 higher, a later change further right', () => {
    const chart = chartOf(netHistory(launch, changes), day('2026-12-10'))
    const drawn = chart?.steps ?? []
    for (const { x, y, width, height } of drawn) {
      expect(Math.min(x, y, width, height)).toBeGreaterThanOrEqual(0)
      expect(x + width).toBeLessThanOrEqual(chart?.width ?? 0)
      expect(y + height).toBeLessThanOrEqual(chart?.height ?? 0)
    }
    expect(drawn.map(({ x }) => x)).toEqual(drawn.map(({ x }) => x).sort((a, b) => a - b))
    expect(drawn[1]?.y).toBeLessThan(drawn[0]?.y ?? 0)
    for (const ticks of [chart?.xs, chart?.ys])
      expect([ticks?.length, ticks]).toEqual([expect.toSatisfy((n) => n > 1 && n <= 7), ticks])
  })

  test('is not drawn if T-0 never moved, and has at most 400 steps', () => {
    expect(chartOf(netHistory(launch, []), day('2026-12-10'))).toBeUndefined()
    const many = Array.from({ length: 5_000 }, (_, index) => ({
      from: new Date(day('2026-06-01').getTime() + index * 60_000),
      net: new Date(launch.net.getTime() + (index % 7) * 3_600_000),
      precision: 1,
    }))
    expect(chartOf(many, day('2026-12-10'))?.steps).toHaveLength(400)
  })

  test('handles changes in the future and distant years', () => {
    const far = { ...launch, net: new Date('9999-12-31T00:00:00Z'), net_precision: 16 }
    const chart = chartOf(
      netHistory(far, [change('2027-01-01', 'net', '0001-01-01T00:00:00.000Z', '9999-12-31T00:00:00.000Z')]),
      day('2026-12-10'),
    )
    for (const { x, y, width, height } of chart?.steps ?? [])
      expect([x, y, width, height].every(Number.isFinite)).toBe(true)
    expect(chart?.ys.length).toBeLessThan(9)
  })
})
