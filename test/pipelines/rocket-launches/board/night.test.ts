import { describe, expect, test } from 'vitest'
import { MAP, nightPath, onMap } from '../../../../pipelines/rocket-launches/board/night.ts'
import { degreesText } from '../../../../pipelines/rocket-launches/board/pad.tsx'
import { countdownText } from '../../../../pipelines/rocket-launches/board/timeline.tsx'

/** True if the place is within the path, by the even-odd rule. */
function isNight(at: string, latitude: number, longitude: number): boolean {
  const points = [...nightPath(new Date(at)).matchAll(/(\d+) (\d+)/g)].map(
    ([, x, y]) => [Number(x), Number(y)] as const,
  )
  const { x = 0, y = 0 } = onMap(latitude, longitude) ?? {}
  return points.reduce((inside, [x1, y1], index) => {
    const [x2, y2] = points[(index + 1) % points.length] ?? [0, 0]
    const crosses = y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1
    return crosses ? !inside : inside
  }, false)
}

describe('the map of the world', () => {
  test.each([
    // Sunrise and sunset of these days are more than an hour away.
    ['2026-06-21T12:00:00Z', 'Greenwich', 51.5, 0, false],
    ['2026-06-21T12:00:00Z', 'Mahia', -39.3, 177.9, true],
    ['2026-06-21T23:30:00Z', 'Svalbard, midnight sun', 78, 15, false],
    ['2026-12-21T12:00:00Z', 'Svalbard, polar night', 78, 15, true],
    ['2026-08-22T07:25:16Z', 'Vandenberg', 34.6, -120.6, true],
    ['2026-08-22T07:25:16Z', 'Baikonur', 45.9, 63.3, false],
    ['2026-03-20T14:46:00Z', 'Cape Canaveral at the equinox', 28.6, -80.6, false],
    ['2026-03-20T04:46:00Z', 'Cape Canaveral at the equinox, at night', 28.6, -80.6, true],
  ])('%s %s', (at, _, latitude, longitude, night) => {
    expect(isNight(at, latitude, longitude)).toBe(night)
  })

  test('a place is on the map unless it is beyond its edge', () => {
    expect(onMap(84, -180)).toEqual({ x: 0, y: 0 })
    expect(onMap(-60, 180)).toEqual({ x: MAP.width, y: MAP.height })
    expect(onMap(-77.8, 166.7)).toBeUndefined()
    expect(onMap(0, 200)).toBeUndefined()
    expect(degreesText(-39.26, 177.86)).toBe('39.3° S, 177.9° E')
  })
})

test.each([
  [-2_280_000, 'T−38:00'],
  [0, 'T−0'],
  [67_000, 'T+01:07'],
  [3_709_000, 'T+1:01:49'],
])('a step at %d ms is %s', (ms, text) => {
  expect(countdownText(ms)).toBe(text)
})
