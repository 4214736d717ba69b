import { fileURLToPath } from 'node:url'
import { readEnvironment } from '../../config.ts'
import { openEmbedded } from '../../db/embedded/embedded.ts'
import { openPool } from '../../db/pool.ts'
import { TminusError } from '../../errors.ts'
import { loadDags } from '../../load-dags.ts'
import { pipeline } from './pipeline.ts'

const DATABASE = 'tminus_demo'

/**
 * `demo`: runs the real pipeline on a separate database, which it recreates each time. The demo ignores `.env` and
 * reads only DATA_DIR from the environment. So it cannot reach the real tables or the real channel.
 */
export async function demo(): Promise<number> {
  const dataDir = readEnvironment({ file: false }).DATA_DIR ?? '.data'
  const pipelines = fileURLToPath(new URL('../../../pipelines', import.meta.url))
  const dag = (await loadDags(pipelines)).dags.get('rocket-launches')
  const commands = await dag?.commands?.()
  if (commands?.demo === undefined)
    throw new TminusError('This copy has no demo', { code: 'no_demo', retryable: false })
  const embedded = await openEmbedded({ dataDir, create: true, database: 'tminus' })
  try {
    const url = await recreateDatabase(embedded.connectionString)
    const run = (settings: Readonly<Record<string, string>>) =>
      pipeline('rocket-launches', {
        env: { ...settings, DATABASE_URL: url, PIPELINES_DIR: pipelines, DATA_DIR: dataDir },
      })
    return await commands.demo({ run })
  } finally {
    await embedded.release()
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
