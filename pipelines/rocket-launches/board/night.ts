/** The map: equirectangular, from 84° N to 60° S, as in `assets/world.svg`. */
export const MAP = { width: 1440, height: 576, north: 84, south: -60, unitsPerDegree: 4 } as const

/** Degrees to coordinates of the map. Undefined for a place that is not on the map. */
export function onMap(latitude: number, longitude: number): { x: number; y: number } | undefined {
  const isOnMap = latitude <= MAP.north && latitude >= MAP.south && Math.abs(longitude) <= 180
  if (!isOnMap) return undefined
  const tenth = (value: number) => Math.round(value * 10) / 10
  return { x: tenth((longitude + 180) * MAP.unitsPerDegree), y: tenth((MAP.north - latitude) * MAP.unitsPerDegree) }
}

const RADIANS = Math.PI / 180
const STEP = 5

/** The path of the night side of the earth at an instant, exact to about a degree. */
export function nightPath(at: Date): string {
  const { declination, longitude } = sunAbove(at)
  const edge: string[] = []
  for (let lon = -180; lon <= 180; lon += STEP) {
    const lat = Math.atan(-Math.cos((lon - longitude) * RADIANS) / Math.tan(declination * RADIANS)) / RADIANS
    const y = Math.min(MAP.height, Math.max(0, Math.round((MAP.north - lat) * MAP.unitsPerDegree)))
    edge.push(`${(lon + 180) * MAP.unitsPerDegree} ${y}`)
  }
  // While the sun is above the northern half, the night is below the edge.
  const pole = declination > 0 ? MAP.height : 0
  return `M0 ${pole}L${edge.join('L')}L${MAP.width} ${pole}z`
}

/** The place where the sun is overhead, in degrees. Formulas of the US Naval Observatory ("Approximate solar coordinates"). */
function sunAbove(at: Date): { declination: number; longitude: number } {
  const days = (at.getTime() - Date.UTC(2000, 0, 1, 12)) / 86_400_000
  const anomaly = (357.529 + 0.98560028 * days) * RADIANS
  const mean = 280.459 + 0.98564736 * days
  const ecliptic = (mean + 1.915 * Math.sin(anomaly) + 0.02 * Math.sin(2 * anomaly)) * RADIANS
  const obliquity = 23.439 * RADIANS
  const ascension = Math.atan2(Math.cos(obliquity) * Math.sin(ecliptic), Math.cos(ecliptic)) / RADIANS
  const sidereal = 280.46062 + 360.98564737 * days
  // At an equinox the edge of the night is a meridian, whose path has no finite latitude.
  const declination = Math.asin(Math.sin(obliquity) * Math.sin(ecliptic)) / RADIANS
  return { declination: Math.abs(declination) < 0.1 ? 0.1 : declination, longitude: within180(ascension - sidereal) }
}

function within180(degrees: number): number {
  return ((((degrees + 180) % 360) + 360) % 360) - 180
}
