import { constants } from 'node:os'
import { openEmbedded } from '#src/db/embedded/embedded.ts'
import { type Database, openPool } from '#src/db/pool.ts'
import { removeFolder, scratchFolder, sweep } from '../test/support/scratch.ts'

/** Starts a separate server with production settings: fsync on, durable commits. */
export async function withServer(work: (connectionString: string, pool: Database) => Promise<void>): Promise<void> {
  await sweep()
  const dataDir = await scratchFolder('disk')
  const server = await openEmbedded({ dataDir, create: true })
  // The server outlives this process, so stop it on a signal. After a kill -9, the next sweep stops it.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void removeFolder(dataDir).finally(() => process.exit(128 + constants.signals[signal])))
  const pool = openPool(server.connectionString, { max: 20 })
  try {
    await work(server.connectionString, pool)
  } finally {
    await pool.end()
    await server.release()
    await removeFolder(dataDir)
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

export function least(values: readonly number[]): number {
  return Math.min(...values)
}

/** The milliseconds that `work` took. */
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
