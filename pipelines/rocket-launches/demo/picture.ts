import { crc32, deflateSync } from 'node:zlib'

/**
 * The pictures of the sample launches: a rocket in front of four skies. This file draws them, so the project owns the
 * pictures.
 */
export const pictureNames = ['dawn', 'day', 'dusk', 'night'] as const
export type PictureName = (typeof pictureNames)[number]

/** A colour: red, green, blue, each 0 to 255. */
type Color = readonly [number, number, number]

interface Sky {
  zenith: Color
  horizon: Color
  ground: Color
  hull: Color
  stars: boolean
}

const skies: Record<PictureName, Sky> = {
  dawn: { zenith: [38, 48, 104], horizon: [255, 176, 124], ground: [30, 24, 46], hull: [226, 214, 222], stars: false },
  day: { zenith: [46, 116, 196], horizon: [190, 226, 246], ground: [62, 92, 66], hull: [246, 248, 250], stars: false },
  dusk: { zenith: [44, 20, 74], horizon: [240, 98, 92], ground: [22, 14, 32], hull: [232, 196, 200], stars: false },
  night: { zenith: [6, 8, 26], horizon: [40, 58, 112], ground: [4, 6, 14], hull: [196, 204, 226], stars: true },
}

const width = 640
const height = 360
const drawn = new Map<PictureName, Buffer>()

/** A PNG of 640 × 360, drawn at the first call. Undefined for a name that is not one of `pictureNames`. */
export function picture(name: string): Buffer | undefined {
  const known = pictureNames.find((candidate) => candidate === name)
  if (known === undefined) return undefined
  const png = drawn.get(known) ?? encode(skies[known])
  drawn.set(known, png)
  return png
}

/** A PNG of 8-bit red, green, blue (https://www.w3.org/TR/png-3/): header, one block of pixels, end. */
function encode(sky: Sky): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const row = 1 + width * 3
  const pixels = Buffer.alloc(row * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) pixels.set(colorAt(sky, x, y), y * row + 1 + x * 3)
  }
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(pixels, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}

const engine = { x: 400, y: 232 }

function colorAt(sky: Sky, x: number, y: number): Color {
  let color = mix(sky.zenith, sky.horizon, (y / height) ** 1.3)
  if (sky.stars && isStar(x, y)) color = [235, 238, 255]
  color = mix(color, [255, 222, 160], glow(x, y))
  const hill = 306 + 12 * Math.sin(x / 97) + 5 * Math.sin(x / 31)
  color = mix(color, sky.ground, cover(y - hill))
  color = mix(color, sky.ground, 0.9 * tower(x, y))
  color = mix(color, [255, 240, 196], flame(x, y))
  const part = hull(x, y)
  return part === 0 ? color : mix(color, shade(sky, x), part)
}

function isStar(x: number, y: number): boolean {
  const noise = Math.sin(x * 127.1 + y * 311.7) * 43758.5453
  return y < 280 && noise - Math.floor(noise) > 0.999
}

function glow(x: number, y: number): number {
  return 0.9 * Math.exp(-(((x - engine.x) / 150) ** 2 + ((y - engine.y - 60) / 110) ** 2))
}

/** A lattice mast left of the rocket. */
function tower(x: number, y: number): number {
  const across = x - 300
  if (y < 150 || y > 312 || across < 0 || across > 18) return 0
  const bay = (y - 150) % 18
  const beam = across < 3 || across > 15 || bay < 2 || Math.abs(bay - across) < 1.6
  return beam ? 1 : 0
}

/** A plume that widens downwards and fades. */
function flame(x: number, y: number): number {
  const down = (y - engine.y) / 96
  if (down < 0 || down > 1) return 0
  return cover(7 + 8 * down - Math.abs(x - engine.x)) * (1 - down ** 2)
}

/** Body with a pointed nose and two fins. */
function hull(x: number, y: number): number {
  const across = Math.abs(x - engine.x)
  if (y < 66 || y > engine.y) return 0
  const nose = Math.min(1, Math.sqrt(Math.max(0, y - 66) / 46))
  const fin = y > 202 ? (y - 202) * 0.5 : 0
  return cover(11 * nose + fin - across)
}

function shade(sky: Sky, x: number): Color {
  return mix(sky.hull, sky.ground, 0.55 * Math.min(1, Math.max(0, (x - engine.x + 6) / 16)))
}

/** The part of a pixel that a shape covers: 0 outside, 1 if the pixel is inside. */
function cover(inside: number): number {
  return Math.min(1, Math.max(0, inside))
}

function mix(from: Color, to: Color, part: number): Color {
  if (part < 0.002) return from
  return [from[0] + (to[0] - from[0]) * part, from[1] + (to[1] - from[1]) * part, from[2] + (to[2] - from[2]) * part]
}
