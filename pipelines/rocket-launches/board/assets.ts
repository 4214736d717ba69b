import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

const TYPES = { 'board.css': 'text/css; charset=utf-8', 'board.js': 'text/javascript; charset=utf-8' } as const
export type AssetName = keyof typeof TYPES

interface Asset {
  body: string
  type: string
  /** Of its content, so that browsers may keep what lies under its address for good. */
  hash: string
}

const ASSETS = new Map(Object.entries(TYPES).map(([name, type]) => [name, read(name, type)]))

function read(name: string, type: string): Asset {
  const body = readFileSync(new URL(`./assets/${name}`, import.meta.url), 'utf8')
  return { body, type, hash: createHash('sha256').update(body).digest('base64url').slice(0, 12) }
}

/** The board's own style sheet or script. */
export function assetOf(name: AssetName): Asset {
  const asset = ASSETS.get(name)
  if (asset === undefined) throw new RangeError(`no asset ${name}`)
  return asset
}

/** What its pages are drawn with, as `<Page>` takes it. */
export function assetLinks(base: string): { styles: string[]; scripts: string[] } {
  const link = (name: AssetName) => `${base}/${name}?v=${assetOf(name).hash}`
  return { styles: [link('board.css')], scripts: [link('board.js')] }
}
