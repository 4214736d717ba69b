import { expect, test } from 'vitest'
import { z } from 'zod'
import { dag } from '../../src/dag/dag.ts'
import { openLog } from '../../src/log.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, openTestRunner, statesOf, stored, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()

test('a value that only Postgres refuses fails its own task, not those in the same write', async () => {
  await database.pool.query(`alter table metadata.xcom add constraint refused check (value <> '"refused"') not valid`)
  const gate = deferred()
  let waiting = 0
  const together = (output: unknown) => async () => {
    if (++waiting === 3) gate.resolve()
    await gate.promise
    return output
  }
  const defined = dag(uniqueId('beside'), {}, ({ task }) => {
    const output = z.any()
    const good1 = task('good1', { output, run: together(1) })
    task('bad', { output, run: together('refused') })
    const good2 = task('good2', { output, run: together(2) })
    task('after', { upstream: { good1, good2 }, run: () => {} })
  })
  const { run } = await openTestRunner(database, [defined])
  const result = await run(defined)
  expect(statesOf(result)).toEqual({ good1: 'success', bad: 'failed', good2: 'success', after: 'success' })
  expect(result.reason).toMatch(/^bad failed: .*could not be stored.*refused/)
  await database.pool.query('alter table metadata.xcom drop constraint refused')
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
  const given = [{ 'k\u0000': 'v\uD800' }, { deep: JSON.parse('['.repeat(3_000) + ']'.repeat(3_000)) }, { n: 1n }, {}]
  const runs = await Promise.allSettled(given.map((conf) => own.run(defined, { conf })))
  expect(runs.map((run) => (run.status === 'fulfilled' ? run.value.conf : run.reason.message))).toEqual([
    { 'k\uFFFD': 'v\uFFFD' },
    'This cannot be stored as JSON: it is nested more than 500 levels deep',
    expect.stringContaining('BigInt'),
    {},
  ])
})
