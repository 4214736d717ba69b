import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import { Hono } from 'hono'

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

/** All there is: a name that is not among them is not looked for on the disk. */
const ASSETS: ReadonlyMap<string, Asset> = new Map([
  ...readdirSync(FOLDER).map((name) => [name, read(name, new URL(name, FOLDER))] as const),
  ['htmx.js', read('htmx.js', createRequire(import.meta.url).resolve('htmx.org/dist/htmx.min.js'))],
])

function read(name: string, from: URL | string): Asset {
  const body = readFileSync(from)
  const hash = createHash('sha256').update(body).digest('base64url').slice(0, 12)
  return { body, hash, type: TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream' }
}

/** Its address, which changes with its content: browsers keep what lies there for good. */
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
