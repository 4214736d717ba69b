import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { dag } from '../../src/dag/dag.ts'
import { fail, rescheduleAt, skip } from '../../src/dag/ending.ts'
import type { TaskContext } from '../../src/dag/task.ts'
import { openLog } from '../../src/log.ts'
import { readLogs } from '../../src/operations/logs.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, openTestRunner, statesOf, stored, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()

type Hostile = (context: TaskContext) => unknown

/** Runs `hostile` as task `bad`. `good1` and `good2` end in the same write; `after` is downstream of them. */
async function beside(hostile: Hostile) {
  const gate = deferred()
  let waiting = 0
  const together = async () => {
    if (++waiting === 3) gate.resolve()
    await gate.promise
  }
  const defined = dag(uniqueId('beside'), {}, ({ task }) => {
    const output = z.any()
    const good1 = task('good1', { output, run: () => together().then(() => 1) })
    task('bad', { output, run: (_inputs, context) => together().then(() => hostile(context)) })
    const good2 = task('good2', { output, run: () => together().then(() => 2) })
    task('after', { upstream: { good1, good2 }, run: () => {} })
  })
  const own = await openTestRunner(database, [defined])
  const run = await own.run(defined)
  const logs = await readLogs(own.metadata, { dagId: defined.id, runId: run.run_id }, 'bad')
  const { rows } = await own.metadata.query<{ value: unknown }>(
    `select value from metadata.xcom join metadata.dag_run using (dag_run_id) where run_id = $1 and task_id = 'bad'`,
    [run.run_id],
  )
  const bad = run.task_instances.find(({ task_id }) => task_id === 'bad')
  const { bad: state, ...others } = statesOf(run)
  expect(others).toEqual({ good1: 'success', good2: 'success', after: 'success' })
  return { state, reason: bad?.reason ?? null, logs, value: rows[0]?.value, run }
}

function circle() {
  const value: Record<string, unknown> = { name: 'circle' }
  value.self = value
  return value
}

const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels))

const unreadable = (): never => {
  throw new Error('this cannot be read')
}
const throwing = Object.defineProperty({ beside: 1 }, 'member', { get: unreadable, enumerable: true })

describe('an output', () => {
  test.each<[string, unknown, unknown]>([
    ['a key with NUL', { 'k\u0000': 1 }, { 'k\uFFFD': 1 }],
    ['a key with half a surrogate pair', { a: [{ 'k\uD800x': 'v\u0000' }] }, { a: [{ 'k\uFFFDx': 'v\uFFFD' }] }],
    ['a text that spells such a key', { 'k\\u0000': '\\ud800' }, { 'k\\u0000': '\\ud800' }],
    [
      'a key __proto__ beside one with NUL',
      JSON.parse('{"__proto__": 1, "\\u0000": 2}'),
      JSON.parse('{"__proto__": 1, "\\uFFFD": 2}'),
    ],
    ['a Map and a date that is none', { map: new Map(), at: new Date(Number.NaN) }, { map: {}, at: null }],
    ['as many levels as are allowed', nested(500), nested(500)],
    ['huge numbers', [1e308, -5e-324], [1e308, -5e-324]],
  ])('with %s is stored', async (_what, output, expected) => {
    const { state, reason, value } = await beside(() => output)
    expect([state, reason]).toEqual(['success', null])
    expect(value).toEqual(expected)
  })

  test.each<[string, Hostile, string]>([
    ['a bigint', () => ({ n: 1n }), 'BigInt'],
    ['a circle', circle, 'circular'],
    ['a getter that throws', () => throwing, 'this cannot be read'],
    ['more levels than are allowed', () => nested(501), '500 levels deep'],
    ['more levels than the stack holds', () => nested(100_000), '500 levels deep'],
    ['a toJSON that throws', () => ({ toJSON: unreadable }), 'cannot be read'],
    ['a function', () => () => {}, 'not JSON'],
    ['over a megabyte', () => 'x'.repeat(2_000_000), 'over the limit'],
  ])('with %s fails its own task only', async (_what, output, expected) => {
    const { state, reason } = await beside(output)
    expect([state, reason]).toEqual(['failed', expect.stringContaining(expected)])
  })
})

test('a value that only Postgres refuses fails its own task, not those in the same write', async () => {
  await database.pool.query(`alter table metadata.xcom add constraint refused check (value <> '"refused"') not valid`)
  const { state, reason } = await beside(() => 'refused')
  expect([state, reason]).toEqual(['failed', expect.stringMatching(/could not be stored.*refused/)])
  await database.pool.query('alter table metadata.xcom drop constraint refused')
})

describe('a log line', () => {
  const shared = { big: 'x'.repeat(1_000) }
  test.each<[string, unknown, unknown]>([
    ['NUL and half a pair, in keys too', { 'k\u0000': ['v\uD800'] }, { 'k\uFFFD': ['v\uFFFD'] }],
    [
      'a bigint, a symbol and a function',
      { a: 2n ** 70n, b: Symbol('s'), c: unreadable },
      { a: '1180591620717411303424', b: 'Symbol(s)', c: '[function unreadable]' },
    ],
    ['numbers that JSON does not have', { a: Number.NaN, b: -Number.POSITIVE_INFINITY }, { a: 'NaN', b: '-Infinity' }],
    [
      'a date that is none beside one that is',
      { a: new Date(Number.NaN), b: new Date(0) },
      { a: '[invalid date]', b: '1970-01-01T00:00:00.000Z' },
    ],
    ['a circle', circle(), { name: 'circle', self: '[circular]' }],
    ['a getter that throws', throwing, { beside: 1, member: '[cannot be read: this cannot be read]' }],
    ['a toJSON that throws', { a: { toJSON: unreadable }, b: 1 }, { a: '[cannot be read: this cannot be read]', b: 1 }],
    ['an error', { err: new Error('why') }, { err: 'why' }],
    ['bytes', { bytes: new Uint8Array(3) }, { bytes: '[3 bytes]' }],
    ['no object', 'text' as never, { fields: 'text' }],
    [
      'a proxy that refuses everything',
      new Proxy({}, { ownKeys: unreadable, has: unreadable, get: unreadable }),
      { fields: '[cannot be read: this cannot be read]' },
    ],
    ['undefined members', { a: undefined, b: [undefined, null] }, { b: [null, null] }],
    ['a key __proto__', JSON.parse('{"__proto__": {"x": 1}}'), JSON.parse('{"__proto__": {"x": 1}}')],
    ['a long text', { a: 'x'.repeat(5_000_000) }, { a: `${'x'.repeat(4_000)}… 5 MB more` }],
    ['the same object twice', { a: shared, b: shared }, { a: shared, b: shared }],
  ])('with %s is stored', async (_what, fields, expected) => {
    const { state, logs } = await beside(({ log }) => {
      log.info('before')
      log.info('bad', fields as Record<string, unknown>)
      log.info('after')
      return null
    })
    expect(state).toBe('success')
    expect(logs.map(({ message }) => message)).toEqual(['before', 'bad', 'after'])
    expect(logs[1]?.fields).toEqual(expected)
  })
})

test('a log message that is no text is converted, and a long one is cut', async () => {
  const { state, logs } = await beside(({ log }) => {
    log.info(Object.create(null))
    log.info({ [Symbol.for('nodejs.util.inspect.custom')]: unreadable } as never)
    log.info('x'.repeat(16_000_000))
    return null
  })
  expect(state).toBe('success')
  const messages = logs.map(({ message }) => message)
  expect(messages).toEqual([
    '[Object: null prototype] {}',
    'an error whose message cannot be read',
    `${'x'.repeat(16_000)}… 16 MB more`,
  ])
})

describe('what a task throws', () => {
  const withMember = (name: string, value: unknown) =>
    Object.defineProperty(
      new Error('why'),
      name,
      typeof value === 'function' ? { get: value as () => never } : { value },
    )
  test.each<[string, () => unknown, string]>([
    ['with NUL and half a pair', () => new Error('a\u0000\uD800b'), 'a\uFFFD\uFFFDb'],
    ['whose message cannot be read', () => withMember('message', unreadable), 'cannot be read'],
    ['whose stack cannot be read', () => withMember('stack', unreadable), 'cannot be read'],
    ['whose stack is no text', () => withMember('stack', Object.create(null)), 'cannot be read'],
    ['whose cause cannot be read', () => withMember('cause', unreadable), 'cannot be read'],
    ['that is its own cause', () => Object.assign(new Error('why'), { cause: undefined }), 'why'],
    [
      'that looks like one of zod',
      () => Object.assign(new Error('why'), { name: 'ZodError', issues: [null, 7] }),
      'cannot be read',
    ],
    [
      'a proxy that refuses everything',
      () => new Proxy({}, { getPrototypeOf: unreadable, get: unreadable, ownKeys: unreadable }),
      'cannot be read',
    ],
    ['nothing', () => undefined, 'undefined'],
    ['a reschedule to no date', () => rescheduleAt(new Date(Number.NaN), 'later'), 'needs a date'],
    ['a reschedule to no date at all', () => rescheduleAt('soon' as never, 'later'), 'needs a date'],
  ])('%s fails its own task only', async (_what, thrown, expected) => {
    const { state, reason } = await beside(() => {
      throw thrown()
    })
    expect([state, reason]).toEqual(['failed', expect.stringContaining(expected)])
  })

  test('a skip with NUL in its reason', async () => {
    const { state, reason } = await beside(() => {
      throw skip('a\u0000b')
    })
    expect([state, reason]).toEqual(['skipped', 'a\uFFFDb'])
  })

  test('of an error of 5 MB, the beginning, the size of the rest, the stack and the cause are stored', async () => {
    const long = 'x'.repeat(5_000_000)
    const { run, reason } = await beside(() => {
      throw fail(long, { cause: new Error(long) })
    })
    expect(reason).toBe(`${'x'.repeat(2_000)}… 5 MB more`)
    expect(run.reason).toBe(`bad failed: ${reason}`)
    const { rows } = await database.pool.query<{ error: string }>(
      `select t.error from metadata.task_try t join metadata.dag_run using (dag_run_id) where run_id = $1 and error is not null`,
      [run.run_id],
    )
    expect(rows).toHaveLength(1)
    expect(rows[0]?.error.length).toBeLessThan(10_000)
    expect(rows[0]?.error).toMatch(/^TminusError: x+… 5 MB more\n +at .*\ncaused by Error: x+… 5 MB more\n +at /s)
  })
})

test('a reschedule or retry in the year 275760 is stored with the year 9999', async () => {
  const defined = dag(uniqueId('patient'), {}, ({ task }) => {
    const run = () => Promise.reject(rescheduleAt(new Date(8.64e15), 'much later'))
    task('rescheduled', { run })
    const delays = { retryDelay: '99999999999d', maxRetryDelay: '99999999999d' } as const
    task('retried', { retries: 1, ...delays, run: () => Promise.reject(new Error('no')) })
  })
  const own = await openTestRunner(database, [defined])
  const { run } = await own.runner.run(defined, { logicalDate: new Date() })
  const states = async () => statesOf(await stored(own.metadata, defined.id, run.runId))
  await until(async () => !Object.values(await states()).includes('running'))
  expect(await states()).toEqual({ rescheduled: 'up_for_reschedule', retried: 'up_for_retry' })
  const { rows } = await own.metadata.query(
    'select distinct due_at from metadata.task_instance where dag_run_id = $1',
    [run.dagRunId],
  )
  expect(rows).toEqual([{ due_at: new Date('9999-12-31') }])
  await own.runner.stop('the test is over')
})

test('a write that Postgres refuses, although no result in it is at fault, is retried with growing waits', async () => {
  await database.pool.query(
    `alter table metadata.task_instance add constraint refused check (task_id <> 'refused' or state <> 'running')`,
  )
  const refusals: string[] = []
  const log = openLog({
    level: 'error',
    format: 'json',
    scrub: (text) => text,
    to: { write: (text: string) => refusals.push(text) } as never,
  })
  const defined = dag(uniqueId('refused'), {}, ({ task }) => {
    task('refused', { run: () => {} })
  })
  const own = await openTestRunner(database, [defined], { log })
  const { runId } = await enqueue(own.metadata, defined, { logicalDate: new Date() })
  await own.runner.claim({ dagIds: [defined.id], onlyBegun: false })
  const began = Date.now()
  await until(() => refusals.length >= 2)
  expect(Date.now() - began).toBeGreaterThan(400)
  await database.pool.query('alter table metadata.task_instance drop constraint refused')
  await own.runner.idle()
  expect(await stored(own.metadata, defined.id, runId)).toMatchObject({ state: 'success' })
})

test('texts of a dag that Postgres cannot store are stored in a changed form', async () => {
  const texts = { description: `\u0000${'x'.repeat(5_000_000)}`, tags: ['a\uD800', 'y'.repeat(5_000)] }
  const defined = dag(uniqueId('talkative'), texts, ({ task }) => {
    task('a', { run: () => {} })
  })
  const own = await openTestRunner(database, [defined])
  expect(await own.run(defined)).toMatchObject({ state: 'success' })
  const { rows } = await own.metadata.query('select description, tags from metadata.dag where dag_id = $1', [
    defined.id,
  ])
  expect(rows).toEqual([
    { description: `\uFFFD${'x'.repeat(1_999)}… 5 MB more`, tags: ['a\uFFFD', `${'y'.repeat(100)}… 4.9 kB more`] },
  ])
})

test('a conf that cannot be stored refuses its own run, but not a run inserted with it', async () => {
  const defined = dag(uniqueId('given'), { params: z.looseObject({}) }, ({ task }) => {
    task('a', { run: () => {} })
  })
  const own = await openTestRunner(database, [defined])
  const given = [{ 'k\u0000': 'v\uD800' }, { deep: nested(3_000) }, { n: 1n }, {}]
  const runs = await Promise.allSettled(given.map((conf) => own.run(defined, { conf })))
  expect(runs.map((run) => (run.status === 'fulfilled' ? run.value.conf : run.reason.message))).toEqual([
    { 'k\uFFFD': 'v\uFFFD' },
    'This cannot be stored as JSON: it is nested more than 500 levels deep',
    expect.stringContaining('BigInt'),
    {},
  ])
})
