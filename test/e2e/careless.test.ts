import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import type { Dag } from '../../src/dag/dag.ts'
import { loadDags } from '../../src/load-dags.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { type Running, startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { stored, until } from '../support/runner.ts'
import { WITHIN } from '../support/within.ts'

const PIPELINES = fileURLToPath(new URL('../fixtures/careless-pipelines', import.meta.url))
const KEY = 'sk_live_0123456789abcdef'

const database = useDatabase()

let start: { running: Running; url: string } | undefined

/** A `start` process for all tests of this file, until it ends. */
async function process(): Promise<{ running: Running; url: string }> {
  if (start !== undefined && start.running.process.exitCode === null && start.running.process.signalCode === null)
    return start
  const env = { DATABASE_URL: database.connectionString, PIPELINES_DIR: PIPELINES, STRIPE_KEY: KEY, ISOLATION: 'none' }
  const running = startCli(['start'], { env })
  const url = await vi.waitFor(() => {
    const found = /http:\/\/[^\s"/]+(?=\/health)/.exec(running.stdout())
    expect(found).not.toBeNull()
    return String(found)
  }, WITHIN)
  start = { running, url }
  return start
}

/** Runs a careless task beside an innocent one; returns both runs, the log, and the state of the process. */
async function careless(way: string) {
  const { running, url } = await process()
  const metadata = openMetadata(database.pool, 'metadata')
  const { dags } = await loadDags(PIPELINES)
  const queue = async (dagId: string, conf = {}) =>
    (await enqueue(metadata, dags.get(dagId) as Dag, { logicalDate: new Date(), conf })).runId
  const before = running.stdout().length
  const [innocent, own] = [await queue('innocent'), await queue('careless', { way })]
  const isOver = async (dagId: string, runId: string) =>
    ['success', 'failed'].includes((await stored(metadata, dagId, runId)).state) || running.process.exitCode !== null
  await until(async () => (await isOver('innocent', innocent)) && (await isOver('careless', own)), 30_000)
  const runs = [await stored(metadata, 'careless', own), await stored(metadata, 'innocent', innocent)] as const
  const { rows } = await metadata.query<{ error: string }>(
    `select error from metadata.task_instance t join metadata.dag_run r using (dag_run_id) where run_id = $1 and r.dag_id = 'careless'`,
    [own],
  )
  const page = await fetch(`${url}/health`).then(
    ({ status }) => status,
    () => 'down',
  )
  return {
    running,
    page,
    own: runs[0],
    innocent: runs[1],
    error: rows[0]?.error,
    log: () => running.stdout().slice(before),
  }
}

const UNHANDLED = /^unhandled error: .*boom \*\*\*/

test.each([
  'floating rejection',
  'setTimeout',
  'setImmediate',
  'nextTick',
  'queueMicrotask',
  'event listener',
  'error event',
  'fs callback',
  'stream listener',
  'pg callback',
  'pg connection callback',
  'pg promise in a callback',
  'abort listener',
])('an error in code that nothing awaits fails its own try at once: %s', async (way) => {
  const { own, innocent, page, error } = await careless(way)
  expect([own.task_instances[0]?.state, own.task_instances[0]?.reason]).toEqual([
    'failed',
    expect.stringMatching(UNHANDLED),
  ])
  expect(error).toContain('caused by Error: ')
  if (way !== 'error event') expect(error).toMatch(/boom \(.*careless\/dag\.ts:\d+/)
  expect(error).not.toContain(KEY)
  expect([innocent.state, page]).toEqual(['success', 200])
})

test('a rejection fails its own try at once, with its cause', async () => {
  const { own, innocent, page, error } = await careless('rejection with a cause')
  expect(own.task_instances[0]).toMatchObject({ state: 'failed', reason: 'unhandled error: outer' })
  expect(error).toMatch(/caused by Error: outer\n[\s\S]*caused by Error: boom \*\*\*\n\s+at .*careless\/dag\.ts/)
  expect([innocent.state, page]).toEqual(['success', 200])
})

test('a connection that ends while a task holds it fails only that task', async () => {
  const { own, innocent, page } = await careless('connection that ends')
  expect(own.task_instances[0]).toMatchObject({ state: 'failed', reason: expect.stringContaining('connection') })
  expect([innocent.state, page]).toEqual(['success', 200])
})

test('a task cannot end the pool that it shares', async () => {
  const { own, innocent } = await careless('end of the pool')
  const reason = expect.stringContaining('a task must not end context.db')
  expect(own.task_instances[0]).toMatchObject({ state: 'failed', reason })
  expect([innocent.state, (await careless('nothing')).innocent.state]).toEqual(['success', 'success'])
})

test.each([
  ['connections that are kept', 'success'],
  ['statements without an end', 'failed'],
])('an ended try keeps no connection that another one waits for: %s', async (way, state) => {
  expect((await careless(way)).own.state).toBe(state)
  const { innocent, page } = await careless('nothing')
  expect([innocent.state, page]).toEqual(['success', 200])
})

test('a task may send a signal to a process that it has started', async () => {
  expect((await careless('kill of a child')).own.state).toBe('success')
})

test.each([
  ['process.exit', 'process.exit(3)'],
  ['exit by name', 'process.exit(3)'],
  ['process.reallyExit', 'process.reallyExit(3)'],
  ['process.abort', 'process.abort()'],
  ['process.kill', 'process.kill(process.pid, SIGKILL)'],
  ['exit that is caught', 'process.exit(3)'],
  ['exit in nested async code', 'process.exit(3)'],
])('a call that ends the process fails the try, and the process continues: %s', async (way, call) => {
  const { own, innocent, page, error, running } = await careless(way)
  const reason = `called ${call}; a task must return or throw instead`
  expect(own.task_instances[0]).toMatchObject({ state: 'failed', reason })
  expect(error).toMatch(/careless\/dag\.ts:\d+/)
  expect([innocent.state, page, running.process.exitCode]).toEqual(['success', 200, null])
})

test.each([
  ['rejection after the end', 'a late unhandled error; not charged', 1],
  ['exit after the end', 'a late call; not charged', 1],
  ['interval after the end', 'a late unhandled error; not charged; its further errors are not logged', 10],
])('a late error is logged and not charged: %s', async (way, message, times) => {
  const { own, innocent, page, log } = await careless(way)
  expect([own.state, innocent.state, page]).toEqual(['success', 'success', 200])
  const late = () =>
    log()
      .split('\n')
      .filter((line) => line.includes('a late ') && line.includes('"task_id":"a"'))
  await vi.waitFor(() => expect(late().join('')).toContain(message), WITHIN)
  expect(late().length).toBe(times)
  expect(JSON.parse(late()[0] ?? '')).toMatchObject({
    level: 40,
    dag_id: 'careless',
    task_id: 'a',
    try_number: 1,
    err: { stack: expect.stringContaining('careless/dag.ts') },
  })
  expect(late().join('')).not.toContain(KEY)
})

test('an error whose stack has no frame of the dag is logged and not charged', async () => {
  const { own, innocent, page, log } = await careless('rejection without a frame of the dag')
  expect([own.state, innocent.state, page]).toEqual(['success', 'success', 200])
  await vi.waitFor(() => expect(log()).toContain('not from a file of its dag; not charged'), WITHIN)
})

test('a late error of a callback is logged', async () => {
  const { own, page, log } = await careless('nothing')
  expect([own.state, page]).toEqual(['success', 200])
  const late = () =>
    log()
      .split('\n')
      .find((line) => line.includes('"part":"callback"'))
  await vi.waitFor(() => expect(late()).toBeDefined(), WITHIN)
  expect(JSON.parse(late() ?? '')).toMatchObject({ level: 40, dag_id: 'careless', err: { message: 'boom ***' } })
})

test('after all of these, the same process ends in order, with its own exit code', async () => {
  const { own } = await careless('exit code')
  expect(own.state).toBe('success')
  const { running } = await process()
  running.process.kill('SIGTERM')
  const { code, stdout, stderr } = await running.ended
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).not.toContain(KEY)
  const { rows } = await database.pool.query('select state from metadata.job')
  expect(rows).toEqual([{ state: 'success' }])
})
