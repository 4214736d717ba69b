import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { DAG_POOL } from '../../src/metadata/dags.ts'
import { takeSlots } from '../../src/metadata/pools.ts'
import { writeChanges } from '../../src/metadata/transitions.ts'
import { listPools, setPool } from '../../src/operations/pools.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, jobOf, openTestRunner, stored, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()

/** Counts how many of the guarded calls run at once. They wait until the gate is open. */
function gauge(gate: Promise<void>) {
  const seen = { now: 0, most: 0, total: 0 }
  const guarded = async () => {
    seen.most = Math.max(seen.most, ++seen.now)
    seen.total++
    await gate
    await delay(5)
    seen.now--
  }
  return { seen, guarded }
}

describe('limits', () => {
  test('maxActiveRuns: further runs wait in queued, oldest first', async () => {
    const order: string[] = []
    const gate = deferred()
    const one = dag(uniqueId('one'), { maxActiveRuns: 1 }, ({ task }) => {
      task('a', {
        run: async (_inputs, { runId }) => {
          order.push(runId)
          await gate.promise
        },
      })
    })
    const own = await openTestRunner(database, [one])
    await own.runner.claim({ dagIds: [one.id], onlyBegun: true })
    const runs = []
    for (let index = 0; index < 3; index++) runs.push(await own.runner.run(one, { logicalDate: new Date() }))
    const states = await Promise.all(runs.map(({ run }) => stored(own.metadata, one.id, run.runId)))
    expect(states.map(({ state }) => state)).toEqual(['running', 'queued', 'queued'])
    gate.resolve()
    await Promise.all(runs.map(({ finished }) => finished))
    expect(order).toEqual(runs.map(({ run }) => run.runId))
  })

  test('maxActiveRuns holds when several processes insert at the same instant', async () => {
    const gate = deferred()
    const { seen, guarded } = gauge(gate.promise)
    const two = dag(uniqueId('two'), { maxActiveRuns: 2 }, ({ task }) => {
      task('a', { run: guarded })
    })
    const owns = await Promise.all([1, 2, 3, 4].map(() => openTestRunner(database, [two])))
    await Promise.all(owns.map(({ runner }) => runner.claim({ dagIds: [two.id], onlyBegun: false })))
    const runs = await Promise.all(
      owns.flatMap(({ runner }) => [1, 2, 3].map(() => runner.run(two, { logicalDate: new Date() }))),
    )
    // No process listens in this test, so the test itself calls what a NOTIFY would trigger.
    const nudge = setInterval(() => {
      for (const { runner } of owns) runner.runsWaiting()
    }, 20)
    await until(() => seen.now === 2)
    gate.resolve()
    await Promise.all(runs.map(({ finished }) => finished))
    clearInterval(nudge)
    expect(seen).toEqual({ now: 0, most: 2, total: 12 })
  })

  test('a task waits, with a reason, while its pool does not exist, and starts when the pool is created', async () => {
    const pool = uniqueId('late')
    const waiting = dag(uniqueId('waiting'), {}, ({ task }) => {
      task('a', { pool, run: () => {} })
    })
    const own = await openTestRunner(database, [waiting])
    const run = await own.runner.run(waiting, { logicalDate: new Date() })
    await until(
      async () => (await stored(own.metadata, waiting.id, run.run.runId)).task_instances[0]?.state === 'scheduled',
    )
    expect((await stored(own.metadata, waiting.id, run.run.runId)).task_instances[0]?.reason).toBe(
      `waits for a slot of ${pool}`,
    )
    await setPool(own.metadata, pool, 1, null)
    own.runner.slotsFreed()
    expect(await run.finished).toMatchObject({ state: 'success' })
  })

  test('a slot acquired for a task stays its own, even while the write of its waiting state is in flight', async () => {
    const held = dag(uniqueId('held'), { maxActiveTasks: 1 }, ({ task }) => {
      task('a', { run: () => {} })
    })
    const own = await openTestRunner(database, [held], { slots: 0 })
    const { run } = await own.runner.run(held, { logicalDate: new Date() })
    await own.runner.drained()
    const one = { dagRunId: run.dagRunId, taskId: 'a', tryNumber: 1, pools: [`${DAG_POOL}${held.id}`] }
    expect(await takeSlots(own.metadata, own.jobId, [one], 1)).toEqual([one])
    const wait = { taskId: 'a', from: 'scheduled', fromTry: 0, to: 'queued', tryNumber: 0 } as const
    const rest = { failures: 0, lost: 0, reason: null, dueAt: null, isolated: false, ended: null, output: null }
    const transitions = [{ ...wait, ...rest }]
    const change = {
      dagRunId: run.dagRunId,
      version: 0,
      limited: true,
      run: null,
      skips: [],
      elements: [],
      transitions,
    }
    expect([...(await writeChanges(own.metadata, own.jobId, [change], [])).keys()]).toEqual([run.dagRunId])
    expect(await listPools(own.metadata)).toContainEqual(expect.objectContaining({ pool: one.pools[0], used: 1 }))
  })

  test('release waits for the claim in flight; after it, no notification causes a query', async () => {
    const told = dag(uniqueId('told'), {}, ({ task }) => {
      task('a', { run: () => {} })
    })
    const { metadata, jobId } = await openTestRunner(database, [told])
    const asked = deferred()
    const gate = deferred()
    let queries = 0
    const query = async (statement: { name?: string }, values?: unknown[]) => {
      queries++
      asked.resolve()
      if (statement.name === 'claim_run') await gate.promise
      return await metadata.query(statement as never, values)
    }
    const { runner } = await openTestRunner(database, [told], {
      db: { ...metadata, query: query as never },
      job: jobOf(jobId),
    })
    void runner.claim({ dagIds: [told.id], onlyBegun: false })
    await asked.promise
    let released = false
    const releasing = runner.release(0, 'closed').then(() => {
      released = true
    })
    await delay(100)
    expect(released).toBe(false)
    gate.resolve()
    await releasing
    const before = queries
    runner.runsWaiting()
    runner.slotsFreed()
    await runner.drained()
    expect(queries).toBe(before)
  })

  test('a run whose claim was committed, but whose answer was lost, is found and continued', async () => {
    const ran: string[] = []
    const claimed = dag(uniqueId('claimed'), {}, ({ task }) => {
      task('a', { run: () => ran.push('a') })
    })
    const { metadata, jobId } = await openTestRunner(database, [claimed])
    await enqueue(metadata, claimed, { logicalDate: new Date() })
    let lost = false
    const query = async (statement: { name?: string }, values?: unknown[]) => {
      const result = await metadata.query(statement as never, values)
      if (statement.name !== 'claim_run' || lost) return result
      lost = true
      throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    }
    const db = { ...metadata, query: query as never }
    const own = await openTestRunner(database, [claimed], { db, job: jobOf(jobId) })
    await own.runner.claim({ dagIds: [claimed.id], onlyBegun: false })
    expect([lost, ran]).toEqual([true, []])
    own.runner.runsWaiting()
    await until(() => ran.length === 1)
    await own.runner.idle()
    expect(await stored(metadata, claimed.id, 'latest')).toMatchObject({ state: 'success' })
  })
})
