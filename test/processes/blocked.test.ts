import { describe, expect, test } from 'vitest'
import { MainThread } from '../../src/processes/blocked.ts'

const a = { dagRunId: 1, dagId: 'dag', taskId: 'a', tryNumber: 1, limitMs: 5_000 }
const b = { ...a, taskId: 'b' }
const unlimited = { ...a, limitMs: undefined }

/** A main thread that beat last at 0 ms, seen again at `now`. */
function silentUntil(now: number, lateMs = 0): MainThread {
  const main = new MainThread()
  main.look(1, 0, 0)
  main.look(1, now, lateMs)
  return main
}

describe('the main thread', () => {
  test('is identified after 1 s without a beat, and is blocked after 2 s', () => {
    expect(silentUntil(900)).toMatchObject({ isUnknown: false, blocked: undefined })
    expect(silentUntil(1_000)).toMatchObject({ isUnknown: true, blocked: undefined })
    expect(silentUntil(2_000).blocked).toEqual({ ms: 2_000, by: undefined })
  })

  test('is not blocked after it has beaten again', () => {
    const main = silentUntil(60_000)
    main.look(2, 60_250, 0)
    expect(main).toMatchObject({ isUnknown: false, blocked: undefined, isOverdue: false })
  })

  test('is not blocked if the whole process was stopped', () => {
    expect(silentUntil(3_600_000, 3_599_000)).toMatchObject({ isUnknown: false, blocked: undefined, isOverdue: false })
  })

  test('is identified again every 5 s, and before its process is ended', () => {
    const main = silentUntil(1_000)
    main.identified(a)
    main.look(1, 5_900, 0)
    expect(main.isUnknown).toBe(false)
    main.look(1, 6_000, 0)
    expect(main.isUnknown).toBe(true)
    main.look(1, 14_000, 0)
    main.identified(a)
    main.look(1, 15_250, 0)
    expect(main).toMatchObject({ isUnknown: true, isOverdue: true })
  })

  test.each([
    ['the time limit and 10 s, for a try that has one', a, 15_000],
    ['10 minutes, for a try without a time limit', unlimited, 600_000],
    ['10 minutes, if no try is known to block', undefined, 600_000],
  ])('may be blocked for %s', (_, by, ms) => {
    const main = silentUntil(1_000)
    main.identified(by)
    main.look(1, ms, 0)
    expect(main.isOverdue).toBe(false)
    main.look(1, ms + 1, 0)
    expect(main.isOverdue).toBe(true)
  })

  test('counts from the moment at which another try is found to block it', () => {
    const main = silentUntil(1_000)
    main.identified(a)
    main.look(1, 14_000, 0)
    main.identified(b)
    main.look(1, 28_000, 0)
    expect(main).toMatchObject({ isOverdue: false, blocked: { ms: 14_000, by: b } })
    main.look(1, 29_250, 0)
    expect(main.isOverdue).toBe(true)
  })
})
