import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, onTestFinished, test, vi } from 'vitest'
import type { Dag } from '../../src/dag/dag.ts'
import { loadDags } from '../../src/load-dags.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { PIPELINES, type ProcessOptions, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { openNamespace } from '../support/network-namespace.ts'
import { openProxy } from '../support/proxy.ts'
import { until } from '../support/runner.ts'

vi.setConfig({ testTimeout: 120_000 })
const database = useDatabase()
const TICKING = fileURLToPath(new URL('../fixtures/scheduled-pipelines', import.meta.url))

async function openFrozen(host?: string) {
  const proxy = await openProxy(database.connectionString, host)
  onTestFinished(() => proxy.close())
  return proxy
}

async function succeeded(): Promise<number> {
  const { rows } = await database.pool.query(
    `select count(*)::int as runs from metadata.dag_run where state = 'success'`,
  )
  return rows[0].runs
}

async function startTicking(connectionString: string, options: ProcessOptions = {}) {
  const before = await succeeded()
  const running = startCli(['start'], { env: { DATABASE_URL: connectionString, PIPELINES_DIR: TICKING }, ...options })
  await until(async () => (await succeeded()) > before + 2)
  return running
}

/** Milliseconds from `lose` until a further run succeeds. */
async function backAtWork(what: string, lose: () => void): Promise<number> {
  const lost = performance.now()
  lose()
  // A write that was on its way may still arrive.
  await delay(1_000)
  const before = await succeeded()
  await until(async () => (await succeeded()) > before)
  const ms = performance.now() - lost
  console.log(`${what}: back at work after ${Math.round(ms)} ms`)
  return ms
}

async function endWithin(ms: number, running: ReturnType<typeof startCli>, signal: NodeJS.Signals): Promise<number> {
  const asked = performance.now()
  running.process.kill(signal)
  const { code } = await running.ended
  const took = performance.now() - asked
  console.log(`${signal}: ended after ${Math.round(took)} ms`)
  // One second for a machine that is busy.
  expect(took).toBeLessThan(ms + 1_000)
  return code
}

test('if all connections die silently, a process is back at work within 20 s and keeps its job', async () => {
  const proxy = await openFrozen()
  const running = await startTicking(proxy.connectionString)
  expect(await backAtWork('frozen connections', () => proxy.freeze())).toBeLessThan(20_000)
  const { rows } = await database.pool.query(`select state from metadata.job`)
  expect(rows).toEqual([{ state: 'running' }])
  expect([0, 143]).toContain(await endWithin(5_000, running, 'SIGTERM'))
})

const namespace = openNamespace()
afterAll(() => namespace?.remove())
if (namespace === undefined) console.log('skipped: this user cannot create a network namespace')
test.skipIf(namespace === undefined)('if the address changes, a process is back at work within 20 s', async () => {
  const proxy = await openFrozen(namespace?.host)
  const running = await startTicking(proxy.connectionString, { ...namespace })
  expect(await backAtWork('changed address', () => namespace?.changeAddress())).toBeLessThan(20_000)
  running.process.kill('SIGTERM')
  await running.ended
})

test('SIGTERM ends a process within 35 s although no connection works and a task ignores its signal', async () => {
  const proxy = await openFrozen()
  const slow = (await loadDags(PIPELINES)).dags.get('slow') as Dag
  const metadata = openMetadata(database.pool, 'metadata')
  await enqueue(metadata, slow, { logicalDate: new Date(), conf: { stubborn: true } })
  const running = startCli(['start'], { env: { DATABASE_URL: proxy.connectionString } })
  await until(() => running.stdout().includes('waiting'))
  proxy.freeze(true)
  expect(await endWithin(35_000, running, 'SIGTERM')).toBe(143)
})

test('Ctrl-C ends a pipeline within 15 s although no connection works', async () => {
  const proxy = await openFrozen()
  const running = startCli(['pipeline', 'slow'], { env: { DATABASE_URL: proxy.connectionString } })
  await until(() => running.stdout().includes('waiting'))
  proxy.freeze(true)
  expect(await endWithin(15_000, running, 'SIGINT')).toBe(130)
})

test('a verb says that the database does not answer', async () => {
  const proxy = await openFrozen()
  proxy.freeze(true)
  const { code, stderr } = await startCli(['jobs', 'list'], { env: { DATABASE_URL: proxy.connectionString } }).ended
  expect([code, stderr]).toEqual([1, expect.stringMatching(/no answer from 127\.0\.0\.1:\d+ within 10 s/)])
})
