import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { allEnded, crashDags, feed, judgeCrashes, startWorker } from '../support/crash.ts'
import { useRestartableServer } from '../support/restartable-server.ts'
import { openTestRunner, until } from '../support/runner.ts'

/** `RESTARTS=20 npx vitest run test/runner/outage.test.ts` for the long form. */
const RESTARTS = Number(process.env.RESTARTS ?? 3)

const server = useRestartableServer()

test(`Postgres restarted ${RESTARTS} times during runs: every run ends, no finished task is repeated`, async () => {
  const dags = await crashDags()
  const { metadata } = await openTestRunner({ pool: server.pool } as never, dags)
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
    await server.restart()
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
