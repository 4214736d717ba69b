import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { joinStyles } from 'tminus/web'

interface Asset {
  body: string
  type: string
  /** Hash of the content. This hash is part of the address, so browsers may cache the file forever. */
  hash: string
}

const FOLDER = new URL('./assets/', import.meta.url)
const ASSETS = {
  'board.css': asset('text/css; charset=utf-8', joinStyles(new URL('styles/', FOLDER)).toString()),
  'world.svg': asset('image/svg+xml', readFileSync(new URL('world.svg', FOLDER), 'utf8')),
  'board.js': asset('text/javascript; charset=utf-8', readFileSync(new URL('board.js', FOLDER), 'utf8')),
}
export type AssetName = keyof typeof ASSETS

function asset(type: string, body: string): Asset {
  return { body, type, hash: createHash('sha256').update(body).digest('base64url').slice(0, 12) }
}

export function assetOf(name: AssetName): Asset {
  return ASSETS[name]
}

/** The style sheet and script of the board's pages, as props of `<Page>`. */
export function assetLinks(base: string): { styles: string[]; scripts: string[] } {
  const link = (name: AssetName) => `${base}/${name}?v=${assetOf(name).hash}`
  return { styles: [link('board.css')], scripts: [link('board.js')] }
}
