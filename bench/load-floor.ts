import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { from } from 'pg-copy-streams'
import { request } from 'undici'
import { type Database, inTransaction } from '#src/db/index.ts'
import { LAUNCH_COLUMNS } from '../pipelines/launches/columns.ts'
import type { Parsed } from '../pipelines/launches/parse-launch.ts'
import { contentHash } from '../pipelines/launches/store-page.ts'

/** The minimum that the same work can take: the bare statements and requests. */

const COLUMNS = ['details', 'content_hash', 'first_seen_at', 'updated_at', ...LAUNCH_COLUMNS]

type Cell = string | null

export function rowOf(parsed: Parsed, now: Date): Cell[] {
  if (!('launch' in parsed)) throw new Error('a sample launch is invalid')
  const { launch, details } = parsed
  const at = now.toISOString()
  const read = LAUNCH_COLUMNS.map((name) => {
    const value = launch[name]
    return value instanceof Date ? value.toISOString() : value === null ? null : String(value)
  })
  return [details, contentHash(details), at, at, ...read]
}

/** Rows in COPY's text format, in chunks of 100. */
export function copied(rows: readonly Cell[][]): string[] {
  const lines = rows.map((row) => `${row.map(escaped).join('\t')}\n`)
  return Array.from({ length: Math.ceil(lines.length / 100) }, (_, n) => lines.slice(n * 100, n * 100 + 100).join(''))
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

function escaped(cell: Cell): string {
  return cell === null ? '\\N' : cell.replaceAll(/[\\\t\n\r]/g, (character) => ESCAPES[character] ?? '')
}

/** One COPY into a temporary table, one INSERT … SELECT … ON CONFLICT out of it, one commit. */
export async function copyUpsert(pool: Database, text: readonly string[]): Promise<void> {
  await inTransaction(pool, async (connection) => {
    await connection.query(
      `create temp table incoming on commit drop as select ${COLUMNS.join(', ')} from rocket_launches limit 0`,
    )
    await pipeline(Readable.from(text), connection.query(from(`copy incoming (${COLUMNS.join(', ')}) from stdin`)))
    await connection.query(`insert into rocket_launches (${COLUMNS.join(', ')}) select * from incoming ${ON_CONFLICT}`)
  })
}

const ON_CONFLICT = `on conflict (launch_id) do update set ${COLUMNS.slice(1)
  .map((column) => `${column} = excluded.${column}`)
  .join(', ')}`

/** One statement and one commit for a page. */
export async function bareUpsert(pool: Database, rows: readonly Cell[][]): Promise<void> {
  const places = rows.map((row, n) => `(${row.map((_, m) => `$${n * row.length + m + 1}`).join(', ')})`)
  await pool.query(
    `insert into rocket_launches (${COLUMNS.join(', ')}) values ${places.join(', ')} ${ON_CONFLICT}`,
    rows.flat(),
  )
}

export async function requested(url: string): Promise<string> {
  const { body } = await request(url)
  return await body.text()
}
