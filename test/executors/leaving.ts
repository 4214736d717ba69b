import { describe, expect, onTestFinished, test } from 'vitest'
import type { Dag } from '../../src/dag/dag.ts'
import { DAG_POOL } from '../../src/metadata/dags.ts'
import { cancel, clear, mark } from '../../src/operations/operate.ts'
import { listPools, setPool } from '../../src/operations/pools.ts'
import { endJob, reclaimDeadJob } from '../../src/processes/jobs.ts'
import type { OwnedRun } from '../../src/runner/owned-run.ts'
import { statesOf, stored, type TestRunner, until } from '../support/runner.ts'
import { someoneWaits } from '../support/waits.ts'
import type { Suite } from './under-test.ts'

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

/** Tasks that must end early: by stop, release, cancel, clear or mark, or because their process dies. */
export function leaving({ database, dag, open, notes, closeGate, gauge, expected }: Suite): void {
  const start = ({ runner }: TestRunner, one: Dag) => runner.run(one, { logicalDate: new Date() })
  const noted = (text: string) => until(async () => (await notes()).includes(text))

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

  /** The running try of `b` goes on under the new owner: it ends, without a second try, when the run is cancelled. */
  async function continued(own: TestRunner, { runId, dagRunId }: OwnedRun['run']): Promise<void> {
    await cancel(own.metadata, { dagId: 'handed', runId })
    own.runner.runChanged(dagRunId)
    await own.runner.idle()
    expect((await stored(own.metadata, 'handed', runId)).task_instances).toMatchObject([
      { state: 'success' },
      { state: 'failed', try_number: 1, reason: 'cancelled' },
      { state: 'skipped' },
    ])
    expect(await notes()).toEqual(['a', 'b1'])
  }

  describe('a run whose task is running', () => {
    test('is stopped: the task fails, the rest is skipped, and nothing runs', async () => {
      const own = await open()
      const owned = await start(own, dag('endless'))
      await noted('started')
      await own.runner.stop('interrupted')
      expect(await owned.finished).toEqual({ state: 'failed', reason: 'a failed: interrupted' })
      expect((await stored(own.metadata, 'endless', owned.run.runId)).task_instances).toMatchObject([
        { task_id: 'a', state: 'failed', reason: 'interrupted' },
        { task_id: 'b', state: 'upstream_failed', reason: 'a failed' },
        { task_id: 'c', state: 'skipped', reason: 'interrupted' },
      ])
    })

    test('is cancelled: the task is aborted, and the run fails', async () => {
      const own = await open()
      await listening(own)
      const owned = await start(own, dag('endless'))
      await noted('started')
      await cancel(own.metadata, { dagId: 'endless', runId: owned.run.runId })
      expect(await owned.finished).toEqual({ state: 'failed', reason: 'cancelled' })
      await own.runner.release(5_000, 'over')
      expect(statesOf(await stored(own.metadata, 'endless', owned.run.runId)).a).toBe('failed')
    })

    test('is released: another process continues it', async () => {
      const [first, second] = [await open(), await open()]
      const { run, finished } = await start(first, dag('handed'))
      await noted('b1')
      expect(await first.runner.release(10, 'SIGTERM: released')).toBe(1)
      expect(await finished).toMatchObject({ state: 'queued' })
      const between = await stored(first.metadata, 'handed', run.runId)
      expect(between).toMatchObject({ state: 'queued', reason: 'SIGTERM: released' })
      const endsWithOwner = expected('a try ends when its run is released or its owner dies', true)
      expect(between.task_instances).toMatchObject([
        { state: 'success' },
        { state: endsWithOwner ? 'scheduled' : 'running', try_number: 1 },
        { state: 'none' },
      ])
      await second.runner.claim({ dagIds: ['handed'], onlyBegun: false })
      if (!endsWithOwner) return await continued(second, run)
      await second.runner.idle()
      await second.runner.drained()
      expect(await stored(first.metadata, 'handed', run.runId)).toMatchObject({ state: 'success' })
      expect(await notes()).toEqual(['a', 'b1', 'b2', 'c'])
    })

    test('is adopted after its process died: the task runs again, and the first try is kept as lost', async () => {
      const [first, second] = [await open(), await open()]
      const { run, finished } = await start(first, dag('handed'))
      await noted('b1')
      const silent = `update metadata.job set heartbeat_at = now() - interval '31 s' where job_id = $1`
      await first.metadata.query(silent, [first.jobId])
      await reclaimDeadJob(second.metadata, second.jobId, { job_id: first.jobId, reason: 'the process died' })
      await second.runner.claim({ dagIds: ['handed'], onlyBegun: false })
      if (!expected('a try ends when its run is released or its owner dies', true)) return await continued(second, run)
      await second.runner.idle()
      await second.runner.drained()
      first.runner.leaseLost()
      await expect(finished).rejects.toThrow('this process was declared dead')
      expect(await stored(second.metadata, 'handed', run.runId)).toMatchObject({ state: 'success' })
      expect(await notes()).toEqual(['a', 'b1', 'b2', 'c'])
      const text = `select try_number, state, reason from metadata.task_try where dag_run_id = $1 and task_id = 'b' order by 1`
      const usual = 'lost: the process died (charged, 1 of 3: no other task ran in it)'
      expect((await second.metadata.query(text, [run.dagRunId])).rows).toMatchObject([
        { try_number: 1, state: 'failed', reason: expected('why the try of a dead process is lost', usual) },
        { try_number: 2, state: 'success' },
      ])
    })
  })

  describe('a pool slot is held until the try that acquired it has really ended', () => {
    const usedOf = async ({ metadata }: TestRunner, pool: string) =>
      (await listPools(metadata)).find((one) => one.pool === pool)?.used
    const aborted = (times: number) =>
      until(async () => (await notes()).filter((text) => text === 'aborted').length === times)

    test.each(ACTS)('even if its task is %s', async (_what, act) => {
      const [first, second] = [dag('winding-first'), dag('winding-second')]
      const openGate = await closeGate('winding')
      const own = await open({ slots: 8 })
      await listening(own)
      await own.runner.claim({ dagIds: [first.id, second.id], onlyBegun: false })
      await setPool(own.metadata, 'winding', 1, null)
      const held = await start(own, first)
      await someoneWaits(database)
      const waits = await start(own, second)
      await act(own, first, held)
      await aborted(1)
      // This request fails, because the slot is in use.
      own.runner.slotsFreed()
      await own.runner.drained()
      expect(await usedOf(own, 'winding')).toBe(1)
      expect(await gauge('winding')).toMatchObject({ total: 1 })
      await openGate()
      expect(await waits.finished).toMatchObject({ state: 'success' })
      await own.runner.idle()
      await until(async () => (await usedOf(own, 'winding')) === 0)
      expect(await gauge('winding')).toMatchObject({ now: 0, most: 1 })
    })

    test('a slot of maxActiveTasks is held too, and the next try of the same task waits for it', async () => {
      const one = dag('winding-alone')
      const openGate = await closeGate('winding')
      const own = await open({ slots: 8 })
      await listening(own)
      const held = await start(own, one)
      await someoneWaits(database)
      await clear(own.metadata, { dagId: one.id, runId: held.run.runId }, {})
      await until(async () => (await stored(own.metadata, one.id, 'latest')).task_instances[0]?.state === 'scheduled')
      await aborted(1)
      expect(await gauge('winding')).toMatchObject({ total: 1 })
      await openGate()
      expect(await held.finished).toMatchObject({ state: 'success' })
      expect(await gauge('winding')).toEqual({ now: 0, most: 1, total: 2 })
      expect(await usedOf(own, `${DAG_POOL}${one.id}`)).toBe(0)
    })

    test('the slot is freed when its process ends, whatever was requested of its try', async () => {
      const openGate = await closeGate('winding')
      const own = await open()
      await setPool(own.metadata, 'winding', 1, null)
      const held = await start(own, dag('winding-first'))
      await someoneWaits(database)
      await cancel(own.metadata, { dagId: 'winding-first', runId: held.run.runId })
      expect(await usedOf(own, 'winding')).toBe(1)
      const [slot] = (await database.pool.query<{ job_id: number }>('select job_id from metadata.pool_slot')).rows
      await endJob(own.metadata, slot?.job_id ?? 0, 'failed', 'died')
      expect(await usedOf(own, 'winding')).toBe(0)
      own.runner.runChanged(held.run.dagRunId)
      await aborted(1)
      await openGate()
      await until(async () => (await gauge('winding'))?.now === 0)
    })
  })
}
