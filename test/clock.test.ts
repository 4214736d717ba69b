import { describe, expect, test } from 'vitest'
import { openClock } from '../src/clock.ts'

describe('the clock', () => {
  test('starts at the given instant and runs on', () => {
    const start = new Date('2031-05-06T07:08:09Z')
    const clock = openClock(start)
    const first = clock.now().getTime()
    expect(first - start.getTime()).toBeLessThan(60_000)
    const until = Date.now() + 5
    while (Date.now() < until);
    expect(clock.now().getTime() - first).toBeGreaterThanOrEqual(5)
  })

  test('without a start, is the system clock', () => {
    expect(Math.abs(openClock().now().getTime() - Date.now())).toBeLessThan(60_000)
  })
})
