import { describe, expect, test } from 'vitest'
import { readLogs } from '../../src/operations/logs.ts'
import { listPools, setPool } from '../../src/operations/pools.ts'
import { statesOf, stored, until } from '../support/runner.ts'
import { someoneWaits } from '../support/waits.ts'
import type { Suite } from './under-test.ts'

const day = (number: number) => new Date(`2026-03-0${number}T00:00:00Z`)

/** How many tasks run at once, in which order, and for how long. */
export function limits({ database, mostSlots, dag, open, notes, closeGate, gauge, expected }: Suite): void {
  describe('limits', () => {
    test('no more tasks run at once than there are slots', async () => {
      const slots = Math.min(3, mostSlots)
      const openGate = await closeGate('slots')
      const { runner } = await open({ slots })
      const { finished } = await runner.run(dag('slots'), { logicalDate: new Date() })
      await someoneWaits(database, slots)
      await openGate()
      expect(await finished).toMatchObject({ state: 'success' })
      expect(await gauge('slots')).toEqual({ now: 0, most: slots, total: 9 })
    })

    test('higher priority starts first, then the order of the graph', async () => {
      const { run } = await open({ slots: 1 })
      await run(dag('priorities'))
      expect(await notes()).toEqual(['d', 'b', 'a', 'c'])
    })

    test('a fan-out of 1,000 tasks ends', async () => {
      const { run } = await open({ slots: 8 })
      const result = await run(dag('wide'))
      expect(result.state).toBe('success')
      expect(new Set(Object.values(statesOf(result)))).toEqual(new Set(['success']))
    })

    test('a pool and maxActiveTasks hold across runs and processes', async () => {
      const dags = [dag('pooled-a'), dag('pooled-b')]
      const openGate = await closeGate('pooled')
      const owns = await Promise.all([1, 2].map(() => open({ slots: 16 })))
      await setPool(owns[0]?.metadata as never, 'pooled', 2, 'for this test')
      const runs = await Promise.all(
        owns.flatMap(({ runner }) => dags.map((one) => runner.run(one, { logicalDate: new Date() }))),
      )
      // No process listens in this test, so the test itself calls what a NOTIFY would trigger.
      const nudge = setInterval(() => {
        for (const { runner } of owns) runner.slotsFreed()
      }, 10)
      const most = Math.min(2, 2 * mostSlots)
      await until(async () => (await gauge('pooled'))?.now === most)
      await openGate()
      await Promise.all(runs.map(({ finished }) => finished))
      clearInterval(nudge)
      expect(await gauge('pooled')).toEqual({ now: 0, most, total: 24 })
      for (const { id } of dags) {
        const seen = await gauge(id)
        expect(seen).toMatchObject({ now: 0, total: 24 })
        expect(seen?.most).toBeLessThanOrEqual(3)
      }
      expect(await listPools(owns[0]?.metadata as never)).toContainEqual({
        pool: 'pooled',
        slots: 2,
        used: 0,
        description: 'for this test',
      })
    })

    test('a task that depends on the past waits for that of the previous run, and uses up no try', async () => {
      const openGate = await closeGate('past')
      const { runner, metadata } = await open({ slots: Math.min(2, mostSlots) })
      const runs = []
      for (const one of [1, 2])
        runs.push(await runner.run(dag('past'), { runType: 'scheduled', logicalDate: day(one) }))
      const [before, own] = runs.map(({ run }) => run.runId)
      await someoneWaits(database)
      const reason = `waits for load of run ${before}`
      await until(async () => (await stored(metadata, 'past', own ?? '')).task_instances[0]?.reason === reason)
      await openGate()
      for (const { finished } of runs) expect(await finished).toMatchObject({ state: 'success' })
      expect(await notes()).toEqual(['1 in try 1', '2 in try 1'])
    })

    test('a task that takes longer than its execution timeout fails, and its signal aborts', async () => {
      const { run } = await open()
      const result = await run(dag('slow'))
      expect(result.task_instances).toMatchObject([
        { state: 'failed', reason: 'took longer than its execution timeout of 30 ms' },
        { state: 'success' },
      ])
      expect(await notes()).toEqual(['aborted: execution_timeout'])
    })

    test('a run that takes longer than its dagrun timeout ends', async () => {
      const { run } = await open()
      const result = await run(dag('limited'))
      const reason = 'the run took longer than its dagrun timeout of 60 ms'
      expect(result.state).toBe('failed')
      expect(result.task_instances[0]).toMatchObject({ state: 'failed', reason })
    })

    test('a task that ignores its signal is abandoned after 10 s, and its late result is refused; so is an output schema that never returns', async () => {
      const openGate = await closeGate('deaf')
      const { run, runner, metadata } = await open({ slots: 1 })
      const hanging = (await open({ slots: 1 })).run(dag('hanging'))
      const began = Date.now()
      const result = await run(dag('deaf'))
      expect(Date.now() - began).toBeGreaterThan(9_900)
      expect(statesOf(result)).toEqual({ a: 'failed', b: 'success' })
      const reason = 'took longer than its execution timeout of 50 ms'
      expect([result, await hanging].map(({ task_instances: [a] }) => a)).toMatchObject([
        { state: 'failed', reason },
        { state: 'failed', reason },
      ])
      const [line] = await readLogs(metadata, { dagId: 'deaf', runId: result.run_id }, 'a')
      const livesOn = expected('the process of an abandoned task lives on', true)
      await until(() => isAlive(Number(line?.message)) === livesOn)
      await openGate()
      if (livesOn) await until(async () => (await notes()).includes('ended late'))
      await runner.drained()
      expect(statesOf(await stored(metadata, 'deaf', result.run_id)).a).toBe('failed')
    })
  })

  describe('context.previous', () => {
    test('is read when a try starts, and is the latest by logical date', async () => {
      const gates = new Map<number, () => Promise<void>>()
      for (const one of [1, 2, 3, 4]) gates.set(one, await closeGate(`previous ${one}`))
      const { runner } = await open({ slots: 8 })
      const runs = new Map<number, Awaited<ReturnType<typeof runner.run>>>()
      // The third run starts last, as in a backfill.
      for (const one of [1, 2, 4, 3]) {
        runs.set(one, await runner.run(dag('previous'), { logicalDate: day(one) }))
        if (runs.size <= mostSlots) await someoneWaits(database, runs.size)
      }
      for (const one of mostSlots === 1 ? [1, 2, 4, 3] : [1, 2, 3, 4]) {
        await gates.get(one)?.()
        await runs.get(one)?.finished
      }
      const first = ['1 a: none', '2 a: none', '4 a: none', '3 a: none']
      const usual = [...first, '1 b: none', '2 b: 1', '3 b: 2', '4 b: 3']
      expect(await notes()).toEqual(expected('the previous runs of runs that overlap', usual))
    })

    test("is also a run that ends in the same write that starts the other run's task", async () => {
      const openGate = await closeGate('previous')
      const { runner, metadata } = await open()
      await setPool(metadata, 'previous', 1, null)
      const runs = []
      for (const one of [1, 2]) runs.push(await runner.run(dag('previous-pooled'), { logicalDate: day(one) }))
      await someoneWaits(database)
      await openGate()
      await runs[0]?.finished
      // This runner does not listen. Its own request for slots may come before the write that frees one.
      runner.slotsFreed()
      await runs[1]?.finished
      expect(await notes()).toEqual(['previous: none', 'previous: 1'])
    })

    test('of a retry is a run that has succeeded since the first try', async () => {
      const { runner, run, metadata } = await open()
      const second = await runner.run(dag('previous-retried'), { logicalDate: day(2) })
      await expect
        .poll(async () => (await stored(metadata, 'previous-retried', second.run.runId)).task_instances[0]?.state)
        .toBe('up_for_retry')
      await run(dag('previous-retried'), { logicalDate: day(1) })
      const { dagRunId } = second.run
      await metadata.query('update metadata.task_instance set due_at = now() where dag_run_id = $1', [dagRunId])
      runner.runChanged(dagRunId)
      await second.finished
      expect(await notes()).toEqual(['try 1: none', 'try 2: 1'])
    })
  })
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
