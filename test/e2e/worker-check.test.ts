import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { runCli, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { until } from '../support/runner.ts'

const PIPELINES = fileURLToPath(new URL('../fixtures/worker-pipelines', import.meta.url))
const database = useDatabase()
const check = (args: string, folder = PIPELINES) => {
  const env = { DATABASE_URL: database.connectionString, PIPELINES_DIR: folder, EXECUTOR: 'distributed' }
  return runCli(['jobs', 'check', ...args.split(' ')], { env })
}

test('jobs check finds a live worker on this machine, and says in one sentence that there is none', async () => {
  const none = await check('--kind worker --local')
  expect([none.code, none.stdout]).toEqual([1, `No live worker runs on ${hostname()}; start one with npm run worker\n`])
  const env = { DATABASE_URL: database.connectionString, PIPELINES_DIR: PIPELINES, EXECUTOR: 'distributed' }
  const worker = startCli(['worker'], { env })
  await until(() => worker.stdout().includes('executing tasks'))
  const alive = new RegExp(`^worker, process ${worker.process.pid} on ${hostname()}: last heartbeat .* ago\n$`)
  const [local, named, elsewhere, scheduler] = await Promise.all([
    check('--kind worker --local'),
    check(`--kind worker --hostname ${hostname()}`),
    check('--kind worker --hostname elsewhere'),
    check('--kind scheduler --local'),
  ])
  expect([local.code, local.stdout]).toEqual([0, expect.stringMatching(alive)])
  expect([named.code, named.stdout]).toEqual([0, expect.stringMatching(alive)])
  expect([elsewhere.code, elsewhere.stdout]).toEqual([
    1,
    'No live worker runs on elsewhere; start one with npm run worker\n',
  ])
  expect([scheduler.code, scheduler.stdout]).toEqual([
    1,
    `No live scheduler runs on ${hostname()}; start one with npm run scheduler\n`,
  ])
  // A health check must not run, or wait for, the code of pipelines.
  expect((await check('--kind worker --local', '/no-such-folder')).code).toBe(0)
  expect((await check('--kind web')).code).toBe(2)
  worker.process.kill('SIGKILL')
  await worker.ended
  expect((await check('--kind worker --local')).code).toBe(1)
})
