import { MAP, onMap } from './night.ts'
import type { Place } from './places.ts'

/** A circle on the map. Units are those of the map. */
export interface Point {
  x: number
  y: number
  r: number
  launches: number
  places: readonly Place[]
}

/** The radius of a circle with one launch, and of the largest. */
export interface Radius {
  least: number
  most: number
}

const GAP = 1

/**
 * Places as circles that do not cover each other: nearby places are one circle. Its area grows with the number of its
 * launches. Leaves out places that are not on the map.
 */
export function pointsOf(places: readonly Place[], radius: Radius): Point[] {
  const most = Math.max(1, ...places.map(({ launches }) => launches))
  const points: Point[] = []
  for (const place of places) {
    const at = place.at ? onMap(place.at.y, place.at.x) : undefined
    if (at === undefined) continue
    let point = sized({ ...at, r: 0, launches: place.launches, places: [place] }, radius, most)
    for (;;) {
      const near = points.findIndex((other) => isNear(point, other))
      const [other] = near < 0 ? [] : points.splice(near, 1)
      if (other === undefined) break
      point = sized(merged(other, point), radius, most)
    }
    points.push(point)
  }
  return points
}

function isNear(one: Point, other: Point): boolean {
  return Math.hypot(one.x - other.x, one.y - other.y) < one.r + other.r + GAP
}

/** Both in one, in the middle of their launches. */
function merged(one: Point, other: Point): Point {
  const launches = one.launches + other.launches
  const middle = (axis: 'x' | 'y') => (one[axis] * one.launches + other[axis] * other.launches) / launches
  return { ...one, x: middle('x'), y: middle('y'), launches, places: [...one.places, ...other.places] }
}

/** With its radius, and moved so that all of it is on the map. */
function sized(point: Point, { least, most }: Radius, mostLaunches: number): Point {
  const share = Math.sqrt(Math.min(1, point.launches / mostLaunches))
  const r = tenth(least + (most - least) * share)
  const within = (value: number, size: number) => tenth(Math.min(size - r, Math.max(r, value)))
  return { ...point, x: within(point.x, MAP.width), y: within(point.y, MAP.height), r }
}

function tenth(value: number): number {
  return Math.round(value * 10) / 10
}
