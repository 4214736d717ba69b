import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { until } from '../support/runner.ts'

const database = useDatabase()
const GREEDY = fileURLToPath(new URL('../fixtures/greedy-pipelines', import.meta.url))

test('a task that uses all connections of context.db delays neither schedules nor health', async () => {
  const running = startCli(['start'], { env: { DATABASE_URL: database.connectionString, PIPELINES_DIR: GREEDY } })
  const count = async (sql: string) => Number((await database.pool.query(`select count(*) from ${sql}`)).rows[0].count)
  const sleeping = () => count(`pg_stat_activity where datname = current_database() and query like '%pg_sleep(60)'`)
  const ticked = () => count(`metadata.dag_run where dag_id = 'ticking' and state = 'success'`)
  await until(async () => (await sleeping()) === 10)
  const [before, began] = [await ticked(), performance.now()]
  await until(async () => (await ticked()) >= before + 5)
  expect(performance.now() - began).toBeLessThan(15_000)
  const url = /health at (http:[^ "]+)/.exec(running.stdout())?.[1] ?? ''
  expect((await fetch(url)).status).toBe(200)
  expect(await sleeping()).toBe(10)
  running.process.kill('SIGKILL')
  await running.ended
})
