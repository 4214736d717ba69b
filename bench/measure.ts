import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbedded } from '../src/db/embedded.ts'
import { type Database, openPool } from '../src/db/pool.ts'

/** A server of its own with the settings it has in earnest: fsync on, commits durable. */
export async function withServer(work: (connectionString: string, pool: Database) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tminus-bench-'))
  const server = await openEmbedded({ dataDir, create: true })
  const pool = openPool(server.connectionString, { max: 20 })
  try {
    await work(server.connectionString, pool)
  } finally {
    await pool.end()
    await server.release()
    await rm(dataDir, { recursive: true, force: true })
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

export function least(values: readonly number[]): number {
  return Math.min(...values)
}

/** Milliseconds that `work` took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

export function report(what: string, figure: string, ratio: number, bar: number, better: 'at most' | 'at least'): void {
  const held = better === 'at most' ? ratio <= bar : ratio >= bar
  console.log(
    `${held ? 'ok  ' : 'OVER'}  ${what.padEnd(46)} ${figure.padEnd(34)} ${ratio.toFixed(2)}x (${better} ${bar}x)`,
  )
}
