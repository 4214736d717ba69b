import { describe, expect, test } from 'vitest'
import { openClock, Timers } from '../src/clock.ts'

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

test('a hurried timer acts at once, whether it is set before or after', async () => {
  const timers = new Timers<string>()
  const acts = (key: string) => new Promise<void>((resolve) => timers.wakeAfter(key, 3_600_000, resolve))
  const set = acts('set')
  timers.hurry('set')
  await set
  timers.hurry('later')
  await acts('later')
})
