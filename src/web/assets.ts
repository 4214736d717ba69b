import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import { Hono } from 'hono'
import { pathStyles } from './graph-paths.ts'
import { SHAPES } from './parts.tsx'

interface Asset {
  body: Buffer
  type: string
  hash: string
  gzipped?: Buffer
}

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

const FOLDER = new URL('./assets/', import.meta.url)

const states = asset('states.svg', Buffer.from(drawStates()))

/** Every file that can be requested. For any other name the answer is 404, without a read from the disk. */
const ASSETS: ReadonlyMap<string, Asset> = new Map([
  ...['favicon.svg', 'graph.js', 'log.js', 'site.js'].map((name) => asset(name, readFileSync(new URL(name, FOLDER)))),
  asset('htmx.js', readFileSync(createRequire(import.meta.url).resolve('htmx.org/dist/htmx.min.js'))),
  states,
  asset('site.css', Buffer.concat([joinStyles(new URL('styles/', FOLDER)), Buffer.from(cellStyles() + pathStyles())])),
])

/** The shapes of all states, one below the other, each 16 × 16. */
function drawStates(): string {
  const shapes = Object.values(SHAPES).map((d, at) => `<path transform="translate(0 ${at * 16})" d="${d}"/>`)
  const box = `viewBox="0 0 16 ${shapes.length * 16}" width="16" height="${shapes.length * 16}"`
  const line = 'fill="none" stroke="#000" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'
  return `<svg xmlns="http://www.w3.org/2000/svg" ${box} ${line}>${shapes.join('')}</svg>`
}

/** The shape of each state as a mask, because an SVG in each cell would double the size of a grid. */
function cellStyles(): string {
  const [name, { hash }] = states
  const shapes = Object.keys(SHAPES).map((state, at) => {
    const cell = state === 'success' ? 'a:not([class])' : `.${state}`
    return `.grid td ${cell}::before { mask-position: 0 -${at}rem }`
  })
  return `.grid td a::before { mask-image: url("${name}?v=${hash}") }\n${shapes.join('\n')}\n`
}

function asset(name: string, body: Buffer): [string, Asset] {
  const hash = createHash('sha256').update(body).digest('base64url').slice(0, 12)
  return [name, { body, hash, type: TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream' }]
}

/** All style sheets of a folder as one, in the order of their names: a browser loads them with one request. */
export function joinStyles(folder: URL): Buffer {
  const names = readdirSync(folder).sort()
  return Buffer.concat(names.map((name) => readFileSync(new URL(name, folder))))
}

/** The asset's address. The hash changes with the content, so browsers may cache the file forever. */
export function assetUrl(name: string): string {
  return `/assets/${name}?v=${ASSETS.get(name)?.hash}`
}

export const assets = new Hono().get('/assets/:name', (c) => {
  const asset = ASSETS.get(c.req.param('name'))
  if (asset === undefined) return c.notFound()
  const isNamed = c.req.query('v') === asset.hash
  c.header('content-type', asset.type)
  c.header('cache-control', isNamed ? 'public, max-age=31536000, immutable' : 'no-cache')
  c.header('vary', 'accept-encoding')
  if (!/\bgzip\b/.test(c.req.header('accept-encoding') ?? '')) return c.body(new Uint8Array(asset.body))
  asset.gzipped ??= gzipSync(asset.body)
  c.header('content-encoding', 'gzip')
  return c.body(new Uint8Array(asset.gzipped))
})
