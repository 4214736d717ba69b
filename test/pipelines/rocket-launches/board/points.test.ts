import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAP } from '../../../../pipelines/rocket-launches/board/night.ts'
import type { Place } from '../../../../pipelines/rocket-launches/board/places.ts'
import { pointsOf } from '../../../../pipelines/rocket-launches/board/points.ts'

const WIDE = { least: 15, most: 24 }
const place = (location: string, latitude: number, longitude: number, launches = 1) =>
  ({ location, launches, at: { x: longitude, y: latitude } }) as Place
const namesOf = (places: Place[], radius = WIDE) =>
  pointsOf(places, radius).map(({ places }) => places.map(({ location }) => location))

test('neighbours share a circle, which counts the launches of all', () => {
  const florida = [place('Cape', 28.5, -80.6, 50), place('Kennedy', 28.6, -80.6, 6)]
  const places = [...florida, place('Wallops', 37.9, -75.5, 3), place('Mahia', -39.3, 177.9, 20)]
  expect(namesOf(places)).toEqual([['Cape', 'Kennedy'], ['Wallops'], ['Mahia']])
  expect(pointsOf(florida, WIDE)[0]?.launches).toBe(56)
  // On a small map, the circles need more room.
  expect(namesOf(places, { least: 60, most: 72 })).toEqual([['Cape', 'Kennedy', 'Wallops'], ['Mahia']])
})

test('a place with more launches has a larger circle', () => {
  const [many, few] = pointsOf([place('Many', 0, 0, 100), place('Few', 0, 90, 1)], WIDE)
  expect([many?.r, few?.r]).toEqual([24, 15.9])
})

test('a place without coordinates, or beyond the edge, is not on the map', () => {
  const nowhere = { location: 'Nowhere', launches: 3, at: null } as Place
  expect(namesOf([nowhere, place('NaN', Number.NaN, 0), place('South', -89, 0), place('Far', 0, 500)])).toEqual([])
})

const places = fc.array(
  fc
    .record({
      latitude: fc.double({ min: -90, max: 90, noNaN: true }),
      longitude: fc.double({ min: -180, max: 180, noNaN: true }),
      launches: fc.integer({ min: 1, max: 5_000 }),
    })
    .map(({ latitude, longitude, launches }) => place('', latitude, longitude, launches)),
  { maxLength: 120 },
)
const radii = fc.constantFrom(WIDE, { least: 30, most: 40 }, { least: 60, most: 72 })

test('circles do not cover each other, lie within the map, and have each place once', () => {
  fc.assert(
    fc.property(places, radii, (given, radius) => {
      const points = pointsOf(given, radius)
      for (const [index, one] of points.entries()) {
        expect(one.r).toBeGreaterThanOrEqual(radius.least)
        expect(one.r).toBeLessThanOrEqual(radius.most)
        expect(one.x - one.r).toBeGreaterThanOrEqual(-0.001)
        expect(one.x + one.r).toBeLessThanOrEqual(MAP.width + 0.001)
        expect(one.y - one.r).toBeGreaterThanOrEqual(-0.001)
        expect(one.y + one.r).toBeLessThanOrEqual(MAP.height + 0.001)
        expect(one.launches).toBe(one.places.reduce((sum, { launches }) => sum + launches, 0))
        for (const other of points.slice(index + 1))
          expect(Math.hypot(one.x - other.x, one.y - other.y)).toBeGreaterThanOrEqual(one.r + other.r)
      }
      const isOnMap = ({ at }: Place) => at !== null && at.y <= MAP.north && at.y >= MAP.south
      const shown = points.flatMap(({ places }) => places)
      expect(new Set(shown)).toEqual(new Set(given.filter(isOnMap)))
      expect(shown).toHaveLength(new Set(shown).size)
    }),
  )
})
