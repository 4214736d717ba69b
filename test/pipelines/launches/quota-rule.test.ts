import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  afterCall,
  afterRefusal,
  afterReport,
  callsLeft,
  decide,
  type Limit,
  type Quota,
  quotaAt,
  reserveOf,
  type ThrottleAnswer,
} from '../../../pipelines/launches/launch-library/quota-rule.ts'

const NOTHING: Quota = { report: undefined, askFailedAt: undefined, refusedUntil: undefined, calls: [] }
const HOUR = 3_600_000
const START = Date.parse('2026-11-21T09:00:00Z')
const free = { limit: 15, windowMs: HOUR }

/** A throttle that counts by a sliding window, and one caller that asks it, some of its answers lost. */
class World {
  now = START
  quota = NOTHING
  /** When calls arrived. */
  arrived: number[] = []
  /** Calls of others since the last report, which the rule cannot know. */
  unknown: number[] = []
  waits: number[] = []

  readonly limit: number
  readonly windowMs: number
  readonly reserve: number
  readonly assumed: Limit | undefined

  constructor(limit: number, windowMs: number, reserve: number, assumed: Limit | undefined) {
    this.limit = limit
    this.windowMs = windowMs
    this.reserve = reserve
    this.assumed = assumed
  }

  around = () => ({ now: this.now, reserve: this.reserve, assumed: this.assumed })

  counted(list: number[], at = this.now): number {
    return list.filter((call) => call > at - this.windowMs && call <= at).length
  }

  throttle(): ThrottleAnswer {
    const use = this.counted(this.arrived)
    const oldest = this.arrived.toSorted((a, b) => a - b).find((call) => call > this.now - this.windowMs)
    const nextMs = use >= this.limit && oldest !== undefined ? oldest + this.windowMs - this.now : -1
    return { limit: this.limit, windowMs: this.windowMs, use, nextMs }
  }

  othersCall() {
    this.arrived.push(this.now)
    this.unknown.push(this.now)
  }

  /** True where the call was made; it arrives up to `delay` later. */
  call(delay: number, isReported: boolean): boolean {
    this.quota = quotaAt(this.quota, this.around())
    let decision = decide(this.quota, { ...this.around(), askFirst: true })
    if (decision.kind === 'ask') {
      this.quota = afterReport(this.quota, isReported ? this.throttle() : undefined, this.now)
      if (isReported) this.unknown = []
      decision = decide(this.quota, { ...this.around(), askFirst: false })
    }
    if (decision.kind === 'wait') this.waits.push(decision.until - this.now)
    if (decision.kind !== 'take') return false
    this.quota = afterCall(this.quota, this.now)
    this.arrived.push(this.now + delay)
    return true
  }
}

const worlds = fc
  .record({
    limit: fc.integer({ min: 1, max: 12 }),
    windowMs: fc.constantFrom(1_000, 3_000, 60_000, HOUR),
    reserve: fc.integer({ min: 0, max: 15 }),
    isAssumed: fc.boolean(),
  })
  .map(({ limit, windowMs, reserve, isAssumed }) => {
    const assumed = isAssumed ? { limit, windowMs } : undefined
    return () => new World(limit, windowMs, reserve, assumed)
  })
const part = (max: number) => fc.double({ min: 0, max, noNaN: true })
/** How long to wait, in windows (until the reported moment, if it is a word), then whether we or others call. */
const event = fc.record({
  wait: fc.oneof(fc.constantFrom(0, 0.9, 1, 1.1, 'until' as const, 'nearly' as const), part(0.02), part(1.2)),
  isOther: fc.constantFrom(false, false, false, true),
  delay: fc.oneof(fc.constantFrom(0, 1), part(1)),
  isReported: fc.constantFrom(true, true, false),
})
const events = fc.array(event, { minLength: 1, maxLength: 80, size: 'max' })

function pass(world: World, wait: number | 'until' | 'nearly') {
  const reported = world.waits.at(-1) ?? 0
  world.now +=
    typeof wait === 'number' ? Math.floor(wait * world.windowMs) : Math.max(0, reported - Number(wait === 'nearly'))
}

describe('the rule, in simulated situations', () => {
  const marginOf = (world: World) => Math.min(1_000, world.windowMs / 10)

  test.each([false, true])('never allows more than limit − reserve in any window (others call: %s)', (others) => {
    let allowed = 0
    let denied = 0
    const property = fc.property(worlds, events, (make, list) => {
      const world = make()
      const limit = world.limit - reserveOf(world.limit, world.reserve)
      for (const { wait, isOther, delay, isReported } of list) {
        pass(world, wait)
        // Until the throttle reports a limit, only the assumed one is known.
        const isKnown = world.quota.report !== undefined || world.assumed !== undefined
        if (others && isOther) world.othersCall()
        else if (world.call(Math.floor(delay * marginOf(world)), isReported || !isKnown)) {
          allowed++
          // What others called since the throttle last answered cannot be known.
          const count = world.counted(world.arrived) - world.counted(world.unknown)
          if (others && world.quota.report) expect(count).toBeLessThanOrEqual(limit)
        } else denied++
      }
      if (others) return
      for (const at of world.arrived) expect(world.counted(world.arrived, at)).toBeLessThanOrEqual(limit)
    })
    fc.assert(property, { numRuns: 1_500 })
    expect(allowed).toBeGreaterThan(10_000)
    expect(denied).toBeGreaterThan(10_000)
  })

  test('the end of a wait is in the future, by at most a window and its margin', () => {
    const property = fc.property(worlds, events, (make, list) => {
      const world = make()
      for (const { wait, isOther, isReported } of list) {
        pass(world, wait)
        if (isOther) world.othersCall()
        else world.call(0, isReported)
      }
      for (const wait of world.waits) {
        expect(wait).toBeGreaterThan(0)
        expect(wait).toBeLessThanOrEqual(world.windowMs + marginOf(world))
      }
    })
    fc.assert(property, { numRuns: 500 })
  })

  test('a caller that waits as long as required gets a call if there are no other callers', () => {
    const property = fc.property(worlds, events, (make, list) => {
      const world = make()
      for (const { wait, isReported } of list) {
        pass(world, wait)
        // Once only to ask when all calls have arrived, or a new report is due.
        for (let waits = 0; !world.call(0, isReported || waits > 0); waits++) {
          expect(waits).toBeLessThan(3)
          world.now += world.waits.at(-1) ?? 0
        }
      }
    })
    fc.assert(property, { numRuns: 500 })
  })

  test('a clock that was set back blocks calls for at most a window', () => {
    const property = fc.property(
      worlds,
      events,
      fc.integer({ min: 1, max: 10 * 365 * 24 * HOUR }),
      fc.boolean(),
      fc.option(fc.integer({ min: 0, max: 100 * HOUR }), { nil: undefined }),
      (make, list, back, isReported, retryAfterMs) => {
        const world = make()
        for (const { wait } of list) {
          pass(world, wait)
          world.call(0, true)
        }
        world.quota = afterRefusal(world.quota, retryAfterMs, world.around())
        world.now -= back
        // The throttle counts by real time, and its count is trusted: there it still may refuse.
        world.arrived = []
        world.call(0, isReported)
        world.now += world.windowMs + marginOf(world)
        expect(world.call(0, isReported)).toBe(true)
      },
    )
    fc.assert(property, { numRuns: 500 })
  })
})

describe('the rule', () => {
  const around = (now = START) => ({ now, reserve: 3, assumed: free, askFirst: false })
  const spent = (count: number, at = START): Quota => ({ ...NOTHING, calls: Array.from({ length: count }, () => at) })

  test.each([
    [15, 3, 3],
    [15, 6, 6],
    [15, 0, 0],
    [10, 3, 2],
    [5, 3, 1],
    [4, 3, 0],
    [1, 3, 0],
    [1, 15, 0],
    [15, 40, 14],
    [300, 3, 3],
  ])('a limit of %i with a reserve of %i leaves %i unused', (limit, reserve, left) => {
    expect(reserveOf(limit, reserve)).toBe(left)
  })

  test('without a known limit, calls are allowed until a 429', () => {
    const open = { ...around(), assumed: undefined }
    expect(decide(spent(1_000), open)).toEqual({ kind: 'take' })
    expect(callsLeft(spent(1_000), open).calls).toBeUndefined()
    const after = afterRefusal(spent(1_000), 20_000, open)
    expect(decide(after, open)).toEqual({ kind: 'wait', until: START + 21_000 })
    expect(decide(after, { ...open, now: START + 21_000 })).toEqual({ kind: 'take' })
  })

  test('our own calls determine when the next call is possible', () => {
    expect(decide(spent(11), around())).toEqual({ kind: 'take' })
    expect(decide(spent(12), around(START + 60_000))).toEqual({ kind: 'wait', until: START + HOUR + 1_000 })
  })

  test('calls of others count until a new report is due', () => {
    const quota = afterReport(spent(2, START - 60_000), { ...free, use: 13, nextMs: 0 }, START)
    expect(quota.report?.others).toBe(11)
    expect(decide(quota, around())).toEqual({ kind: 'wait', until: START + 300_000 })
    expect(decide(quota, { ...around(START + 299_999), askFirst: true }).kind).toBe('wait')
    expect(decide(quota, { ...around(START + 300_000), askFirst: true }).kind).toBe('ask')
    const full = afterReport(NOTHING, { ...free, use: 15, nextMs: 100_000 }, START)
    expect(decide(full, around())).toEqual({ kind: 'wait', until: START + 100_000 })
    const untrue = afterReport(NOTHING, { ...free, use: 15, nextMs: HOUR * 2 }, START)
    expect(decide(untrue, around())).toEqual({ kind: 'wait', until: START + 300_000 })
  })

  test('own calls that the report does not count are dropped', () => {
    const quota = afterReport(spent(12, START - 2_000), { ...free, use: 4, nextMs: -3 }, START)
    expect(callsLeft(quota, around())).toMatchObject({ calls: 8 })
    const none = afterReport(spent(12, START - 2_000), { ...free, use: 0, nextMs: -3 }, START)
    expect(callsLeft(none, around())).toMatchObject({ calls: 12 })
  })

  test('a report may not count a call that was just made', () => {
    const quota = afterReport(spent(3, START - 500), { ...free, use: 3, nextMs: 0 }, START)
    expect(callsLeft(quota, around())).toMatchObject({ calls: 6 })
    const all = afterReport(spent(11, START - 500), { ...free, use: 11, nextMs: 0 }, START)
    expect(decide(all, { ...around(START + 499), askFirst: true })).toEqual({ kind: 'wait', until: START + 500 })
    expect(decide(all, { ...around(START + 500), askFirst: true })).toEqual({ kind: 'ask' })
  })

  test('an older report does not replace a newer one', () => {
    const newer = afterReport(NOTHING, { ...free, use: 5, nextMs: 0 }, START)
    expect(afterReport(newer, { ...free, use: 1, nextMs: 0 }, START - 1)).toBe(newer)
  })

  test('a new report is due after 5 minutes, also after a failure', () => {
    const asks = (quota: Quota, now: number) => decide(quota, { ...around(now), askFirst: true }).kind === 'ask'
    expect(asks(NOTHING, START)).toBe(true)
    const failed = afterReport(NOTHING, undefined, START)
    expect([asks(failed, START + 299_999), asks(failed, START + 300_000)]).toEqual([false, true])
    const quota = afterReport(NOTHING, { ...free, use: 0, nextMs: 0 }, START)
    expect([asks(quota, START + 299_999), asks(quota, START + 300_000)]).toEqual([false, true])
    const used = { ...quota, calls: spent(12, START + 1_000).calls }
    expect(asks(used, START + 2_000)).toBe(true)
    expect(asks({ ...used, askFailedAt: START + 1_000 }, START + 2_000)).toBe(false)
    expect(asks(afterReport(used, { ...free, use: 12, nextMs: 0 }, START + 3_000), START + 3_000)).toBe(false)
  })

  test.each([
    ['what the answer says', spent(3), 20_000, 21_000],
    ['a window at most', spent(3), 100 * HOUR, HOUR + 1_000],
    ['our oldest call', spent(3, START - HOUR + 600_000), undefined, 601_000],
    ['a minute at least', spent(3, START - HOUR + 5), undefined, 61_000],
    ['a window, where nothing is known', NOTHING, undefined, HOUR + 1_000],
    ['what the throttle said', afterReport(NOTHING, { ...free, use: 15, nextMs: 90_000 }, START), undefined, 91_000],
  ])('after a 429 no call is allowed: %s', (_, quota, retryAfterMs, wait) => {
    const after = afterRefusal(quota, retryAfterMs, around())
    expect(after.refusedUntil).toBe(START + wait)
    expect(decide(after, { ...around(START + wait - 1), askFirst: true })).toEqual({
      kind: 'wait',
      until: START + wait,
    })
  })
})
