import { fileURLToPath } from 'node:url'
import type { DemoHost } from '../../commands.ts'
import { readEnvironment } from '../../config.ts'
import { openEmbedded } from '../../db/embedded/embedded.ts'
import { openPool } from '../../db/pool.ts'
import { TminusError } from '../../errors.ts'
import { loadDags } from '../../load-dags.ts'
import { EXIT_OF, type StopSignal } from '../signals.ts'
import { pipeline } from './pipeline.ts'
import { serve } from './start.ts'

const DATABASE = 'tminus_demo'
/** A forgotten demo ends by itself. */
const SERVED_MS = 10 * 60_000

/**
 * `demo`: runs the real pipeline on a separate database, which it recreates each time. The demo ignores `.env` and
 * reads only DATA_DIR and CI from the environment. So it cannot reach the real tables or the real channel.
 */
export async function demo({ exit = false }: { exit?: boolean } = {}): Promise<number> {
  const { DATA_DIR: dataDir = '.data', CI } = readEnvironment({ file: false })
  const pipelines = fileURLToPath(new URL('../../../pipelines', import.meta.url))
  const dag = (await loadDags(pipelines)).dags.get('rocket-launches')
  const commands = await dag?.commands?.()
  if (commands?.demo === undefined)
    throw new TminusError('This copy has no demo', { code: 'no_demo', retryable: false })
  const embedded = await openEmbedded({ dataDir, create: true, database: 'tminus' })
  try {
    const url = await recreateDatabase(embedded.connectionString)
    const own = { DATABASE_URL: url, PIPELINES_DIR: pipelines, DATA_DIR: dataDir }
    const run: DemoHost['run'] = (settings, options) =>
      pipeline('rocket-launches', { ...options, env: { ...settings, ...own } })
    const isWatched = process.stdin.isTTY && process.stdout.isTTY && CI === undefined && !exit
    return await commands.demo(isWatched ? { run, serve: serveWith(own) } : { run })
  } finally {
    await embedded.release()
  }
}

function serveWith(own: Readonly<Record<string, string>>): NonNullable<DemoHost['serve']> {
  return async (settings, onPage) => {
    const until = new Promise<StopSignal>((resolve) => setTimeout(() => resolve('SIGTERM'), SERVED_MS).unref())
    const env = { ...settings, ...own, LOG_LEVEL: 'error' }
    const code = await serve('start', { env, onPage, until })
    // A signal is the expected end, also if it interrupts a run.
    return Object.values<number>(EXIT_OF).includes(code) ? 0 : code
  }
}

async function recreateDatabase(serverUrl: string): Promise<string> {
  const pool = openPool(serverUrl, { max: 1 })
  try {
    await pool.query(`drop database if exists ${DATABASE} with (force)`)
    await pool.query(`create database ${DATABASE}`)
  } finally {
    await pool.end()
  }
  const url = new URL(serverUrl)
  url.pathname = `/${DATABASE}`
  return url.href
}
