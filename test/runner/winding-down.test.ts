import { describe, expect, onTestFinished, test } from 'vitest'
import { type Dag, dag } from '../../src/dag/dag.ts'
import { DAG_POOL } from '../../src/metadata/dags.ts'
import { endJob } from '../../src/metadata/jobs.ts'
import { cancel, clear, mark } from '../../src/operations/operate.ts'
import { listPools, setPool } from '../../src/operations/pools.ts'
import type { OwnedRun } from '../../src/runner/owned-run.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, openTestRunner, stored, type TestRunner, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()

/** The notifications that a process would get. */
async function listening({ runner }: TestRunner): Promise<void> {
  const session = await database.pool.connect()
  await session.query('listen tminus_metadata')
  session.on('notification', ({ payload = '' }) => {
    if (payload === 'slot') runner.slotsFreed()
    if (payload === 'run') runner.runsWaiting()
    if (payload.startsWith('changed:')) runner.runChanged(Number(payload.slice('changed:'.length)))
  })
  onTestFinished(() => session.release(true))
}

/** A task in a pool of one slot. It ends some time after its signal, and counts how many of its tries run at once. */
function slowToStop() {
  const pool = uniqueId('pool')
  const seen = { now: 0, most: 0, starts: 0, aborted: 0 }
  const gates = [deferred(), deferred(), deferred()]
  const run = async (_inputs: unknown, { signal }: { signal: AbortSignal }) => {
    const gate = gates[seen.starts++]
    seen.most = Math.max(seen.most, ++seen.now)
    signal.addEventListener('abort', () => seen.aborted++)
    await gate?.promise
    seen.now--
  }
  return { pool, seen, gates, run }
}

const usedOf = async ({ metadata }: TestRunner, pool: string) =>
  (await listPools(metadata)).find((one) => one.pool === pool)?.used

type Act = (own: TestRunner, defined: Dag, run: OwnedRun) => unknown
const ACTS: [string, Act][] = [
  ['cleared', (own, { id }, { run }) => clear(own.metadata, { dagId: id, runId: run.runId }, {})],
  [
    'cleared twice',
    async (own, { id }, { run }) => {
      for (let time = 0; time < 2; time++) await clear(own.metadata, { dagId: id, runId: run.runId }, {})
    },
  ],
  ['marked', (own, defined, { run }) => mark(own.metadata, defined, run.runId, 'a', 'success')],
  ['cancelled', (own, { id }, { run }) => cancel(own.metadata, { dagId: id, runId: run.runId })],
  ['stopped by its time limit', (_own, _defined, run) => run.leave('stop', 'the run took longer')],
]

describe('a pool slot is held until the try that acquired it has really ended', () => {
  test.each(ACTS)('even if its task is %s', async (_what, act) => {
    const { pool, seen, gates, run } = slowToStop()
    const first = dag(uniqueId('first'), {}, ({ task }) => {
      task('a', { pool, run })
    })
    const second = dag(uniqueId('second'), {}, ({ task }) => {
      task('a', { pool, run })
    })
    const own = await openTestRunner(database, [first, second], { slots: 8 })
    await listening(own)
    await own.runner.claim({ dagIds: [first.id, second.id], onlyBegun: false })
    await setPool(own.metadata, pool, 1, null)
    const held = await own.runner.run(first, { logicalDate: new Date() })
    await until(() => seen.now === 1)
    const waits = await own.runner.run(second, { logicalDate: new Date() })
    await act(own, first, held)
    await until(() => seen.aborted === 1)
    // This request fails, because the slot is in use.
    own.runner.slotsFreed()
    await own.runner.drained()
    expect(await usedOf(own, pool)).toBe(1)
    expect(seen.starts).toBe(1)
    for (const gate of gates) gate.resolve()
    expect(await waits.finished).toMatchObject({ state: 'success' })
    await own.runner.idle()
    await until(async () => (await usedOf(own, pool)) === 0)
    expect(seen.most).toBe(1)
  })

  test('a slot of maxActiveTasks is held too, and the next try of the same task waits for it', async () => {
    const { seen, gates, run } = slowToStop()
    const one = dag(uniqueId('one'), { maxActiveTasks: 1 }, ({ task }) => {
      task('a', { run })
    })
    const own = await openTestRunner(database, [one], { slots: 8 })
    await listening(own)
    const held = await own.runner.run(one, { logicalDate: new Date() })
    await until(() => seen.now === 1)
    await clear(own.metadata, { dagId: one.id, runId: held.run.runId }, {})
    await until(async () => (await stored(own.metadata, one.id, 'latest')).task_instances[0]?.state === 'scheduled')
    expect(seen).toMatchObject({ starts: 1, aborted: 1 })
    for (const gate of gates) gate.resolve()
    expect(await held.finished).toMatchObject({ state: 'success' })
    expect(seen).toMatchObject({ starts: 2, most: 1 })
    expect(await usedOf(own, `${DAG_POOL}${one.id}`)).toBe(0)
  })

  test('the slot is freed when its process ends, whatever was requested of its try', async () => {
    const { pool, seen, run } = slowToStop()
    const one = dag(uniqueId('one'), {}, ({ task }) => {
      task('a', { pool, run })
    })
    const own = await openTestRunner(database, [one])
    await setPool(own.metadata, pool, 1, null)
    const held = await own.runner.run(one, { logicalDate: new Date() })
    await until(() => seen.now === 1)
    await cancel(own.metadata, { dagId: one.id, runId: held.run.runId })
    expect(await usedOf(own, pool)).toBe(1)
    await endJob(own.metadata, own.jobId, 'failed', 'died')
    expect(await usedOf(own, pool)).toBe(0)
  })
})
