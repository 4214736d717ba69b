import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { planFetch, type Situation } from '../../../pipelines/rocket-launches/plan-fetch.ts'

const NOW = new Date('2026-01-15T12:00:00Z')
const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]
const ago = (ms: number) => new Date(NOW.getTime() - ms)
const INTERVALS = [5 * MINUTE, 15 * MINUTE, HOUR] as const

function plan(given: Partial<Omit<Situation, 'stored'>> & { stored?: Partial<NonNullable<Situation['stored']>> } = {}) {
  const stored = { lastSuccessAt: ago(2 * HOUR), lastFullAt: ago(2 * HOUR), highWater: ago(3 * HOUR), launches: 350 }
  return planFetch({
    now: NOW,
    runType: 'scheduled',
    sync: 'auto',
    intervals: INTERVALS,
    nearest: undefined,
    quota: { calls: 12, until: undefined },
    ...given,
    stored: { ...stored, ...given.stored },
  })
}

const looksAfter = (ms: number, net?: Date, precise = true) =>
  plan({ stored: { lastSuccessAt: ago(ms) }, nearest: net && { net, precise } }).look !== 'later'

describe('the interval of scheduled requests', () => {
  test('is an hour without a near launch', () => {
    expect(looksAfter(59 * MINUTE)).toBe(false)
    expect(looksAfter(HOUR)).toBe(true)
    expect(looksAfter(HOUR - 4_000)).toBe(true)
  })

  test.each([1, -1])('is 15 minutes within a day of a launch, before and after (%d)', (sign) => {
    const net = ago(sign * 20 * HOUR)
    expect(looksAfter(14 * MINUTE, net)).toBe(false)
    expect(looksAfter(15 * MINUTE, net)).toBe(true)
  })

  test.each([1, -1])('is 5 minutes within an hour of a launch, before and after (%d)', (sign) => {
    const net = ago(sign * 50 * MINUTE)
    expect(looksAfter(4 * MINUTE, net)).toBe(false)
    expect(looksAfter(5 * MINUTE, net)).toBe(true)
  })

  test('is 15 minutes around the placeholder of a launch known to the day', () => {
    expect(looksAfter(14 * MINUTE, NOW, false)).toBe(false)
    expect(looksAfter(15 * MINUTE, NOW, false)).toBe(true)
  })

  test('is part of the reason, with the time', () => {
    expect(plan({ stored: { lastSuccessAt: ago(20 * MINUTE) } })).toEqual({
      look: 'later',
      until: ago(-40 * MINUTE),
      reason: 'Launch Library was read 20 min ago; the next request is due at 2026-01-15 12:40Z',
    })
  })

  test('is ignored after the clock was set back', () => {
    expect(looksAfter(-DAY)).toBe(true)
  })

  test('does not apply to a manual run', () => {
    expect(plan({ runType: 'manual', stored: { lastSuccessAt: NOW } }).look).not.toBe('later')
  })
})

describe('the request', () => {
  test('is for the whole list at first', () => {
    const first = planFetch({
      ...{ now: NOW, runType: 'scheduled', sync: 'auto', intervals: INTERVALS, stored: undefined, nearest: undefined },
      quota: { calls: undefined, until: undefined },
    })
    expect(first.look).toBe('full')
  })

  test('is for changes since ten minutes before the highest last_updated', () => {
    expect(plan()).toEqual({
      look: 'incremental',
      since: ago(3 * HOUR + 10 * MINUTE),
      reason: 'reading the changes since 2026-01-15 08:50Z',
    })
  })

  test('is for the whole list once a day, because last_updated does not show a new image', () => {
    expect(plan({ stored: { lastFullAt: ago(DAY) } })).toMatchObject({ look: 'full' })
    expect(plan({ stored: { lastFullAt: ago(DAY - MINUTE) } })).toMatchObject({ look: 'incremental' })
  })

  test('is for the whole list if the API has no last_updated (2.0.0)', () => {
    expect(plan({ stored: { highWater: null } })).toMatchObject({ look: 'full' })
    expect(plan({ sync: 'incremental', stored: { highWater: null } })).toMatchObject({ look: 'full' })
  })

  test('of a manual run is for the whole list if enough calls are left', () => {
    expect(plan({ runType: 'manual' })).toMatchObject({ look: 'full' })
    expect(plan({ runType: 'manual', quota: { calls: 4, until: undefined } })).toMatchObject({ look: 'full' })
    expect(plan({ runType: 'manual', quota: { calls: 3, until: undefined } })).toMatchObject({
      look: 'incremental',
      reason: 'reading the changes since 2026-01-15 08:50Z: the quota has 3 calls left, and the whole list needs 4',
    })
    expect(plan({ runType: 'manual', quota: { calls: undefined, until: undefined } })).toMatchObject({ look: 'full' })
  })

  test('follows the params', () => {
    expect(plan({ sync: 'full' })).toMatchObject({ look: 'full' })
    expect(plan({ sync: 'full', quota: { calls: 1, until: undefined } })).toMatchObject({ look: 'full' })
    expect(plan({ runType: 'manual', sync: 'incremental' })).toMatchObject({ look: 'incremental' })
  })

  test('waits until calls are left, also in a manual run', () => {
    const until = ago(-25 * MINUTE)
    for (const runType of ['scheduled', 'manual'] as const) {
      expect(plan({ runType, quota: { calls: 0, until } })).toEqual({
        look: 'later',
        until,
        reason: expect.stringMatching(
          /quota of Launch Library is used up; the next request is due at 2026-01-15 12:25Z$/,
        ),
      })
    }
  })
})

test('in every situation it waits at most an hour, and never makes a request without a call left', () => {
  const date = fc.integer({ min: -40 * DAY, max: 40 * DAY }).map(ago)
  const situation = fc.record({
    runType: fc.constantFrom('scheduled' as const, 'manual' as const),
    sync: fc.constantFrom('auto' as const, 'full' as const, 'incremental' as const),
    nearest: fc.option(fc.record({ net: date, precise: fc.boolean() }), { nil: undefined }),
    calls: fc.option(fc.nat(15), { nil: undefined }),
    stored: fc.option(
      fc.record({
        lastSuccessAt: fc.option(date),
        lastFullAt: fc.option(date),
        highWater: fc.option(date),
        launches: fc.option(fc.nat(1000)),
      }),
      { nil: undefined },
    ),
  })
  fc.assert(
    fc.property(situation, ({ calls, ...given }) => {
      const decided = planFetch({ now: NOW, intervals: INTERVALS, quota: { calls, until: ago(-HOUR) }, ...given })
      if (decided.look === 'later') {
        expect(decided.until.getTime()).toBeGreaterThan(NOW.getTime())
        expect(decided.until.getTime()).toBeLessThanOrEqual(NOW.getTime() + HOUR)
        expect(calls === 0 || given.runType === 'scheduled').toBe(true)
      } else expect(calls).not.toBe(0)
      if (decided.look === 'incremental') {
        const mark = given.stored?.highWater?.getTime() ?? Number.NaN
        expect(decided.since.getTime()).toBeLessThan(mark)
      }
    }),
    { numRuns: 2_000 },
  )
})
