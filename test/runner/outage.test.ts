import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EmbeddedServer, openEmbedded } from '../../src/db/embedded/embedded.ts'
import { type Database, openPool } from '../../src/db/pool.ts'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { allEnded, crashDags, EFFECT_TABLE, feed, judgeCrashes, startWorker } from '../support/crash.ts'
import { openTestRunner, until } from '../support/runner.ts'
import { removeFolder, scratchFolder, serverPid } from '../support/scratch.ts'

/** `RESTARTS=20 npx vitest run test/runner/outage.test.ts` for the long form. */
const RESTARTS = Number(process.env.RESTARTS ?? 3)

let dataDir: string
let server: EmbeddedServer
let pool: Database

beforeAll(async () => {
  dataDir = await scratchFolder()
  server = await openEmbedded({ dataDir, create: true })
  pool = openPool(server.connectionString)
  await migrateMetadata(pool, 'metadata')
  await pool.query(EFFECT_TABLE)
})
afterAll(async () => {
  await pool.end()
  await server.release()
  await removeFolder(dataDir)
})

/** Like `pg_ctl restart -m immediate`: ends every session; the server recovers from its log at the next start. */
async function restartImmediately(): Promise<void> {
  const pid = await outlasting(async () => serverPid(server.folder))
  process.kill(pid, 'SIGQUIT')
  const again = await openEmbedded({ dataDir, create: false })
  await again.release({ leaveRunning: true })
}

test(`Postgres restarted ${RESTARTS} times during runs: every run ends, no finished task is repeated`, async () => {
  const dags = await crashDags()
  const { metadata } = await openTestRunner({ pool } as never, dags)
  await metadata.query(`update metadata.job set state = 'success', ended_at = now()`)
  const worker = startWorker(server.connectionString)
  await until(
    async () => (await metadata.query(`select from metadata.job where pid = $1`, [worker.process.pid])).rowCount === 1,
  )
  // A process that loses its connections while it starts would end.
  await feed(metadata, dags, 8)
  await until(async () => (await metadata.query(`select from metadata.dag_run where state = 'running'`)).rowCount !== 0)
  for (let restart = 0; restart < RESTARTS; restart++) {
    await outlasting(() => feed(metadata, dags, 8))
    await delay(200 + ((restart * 337) % 600))
    await restartImmediately()
  }
  await outlasting(() => allEnded(metadata, 120_000))
  worker.process.kill('SIGTERM')
  const { code, stderr } = await worker.ended
  const verdict = await judgeCrashes(metadata)
  console.log(`${RESTARTS} restarts: ${JSON.stringify(verdict)}`)
  expect(verdict).toMatchObject({ running: 0, startedTwice: 0, afterSuccess: 0, successTwice: 0, unproven: 0 })
  expect(code).toBe(0)
  expect(stderr).not.toContain('UnhandledPromiseRejection')
}, 600_000)

/** The test's own connections break too. */
async function outlasting<T>(work: () => Promise<T>): Promise<T> {
  for (let left = 50; ; left--) {
    try {
      return await work()
    } catch (error) {
      if (left === 0 || /never ended/.test(String(error))) throw error
      await delay(100)
    }
  }
}
