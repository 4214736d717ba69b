import { describe, expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { skip } from '../../src/dag/ending.ts'
import type { TaskContext } from '../../src/dag/task.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { clear } from '../../src/operations/operate.ts'
import { useDatabase } from '../support/database.ts'
import { openTestRunner, stored, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()

async function triesOf(db: Metadata, runId: string) {
  const { rows } = await db.query<{ at: number; state: string; started: Date; ended: Date }>(
    `select try_number as at, t.state, t.started_at as started, t.ended_at as ended
     from metadata.task_try t join metadata.dag_run using (dag_run_id) where run_id = $1 order by try_number`,
    [runId],
  )
  return rows
}

describe('task.waitFor', () => {
  test('ends at the check that returns true, and holds no slot between the checks', async () => {
    let checks = 0
    const defined = dag(uniqueId('wait'), {}, ({ task }) => {
      task.waitFor('file_there', { check: () => ++checks === 3, every: '10ms' })
      task('beside', { run: () => {} })
    })
    const own = await openTestRunner(database, [], { slots: 1 })
    const ended = await own.run(defined)
    expect(ended).toMatchObject({ state: 'success', task_instances: [{ try_number: 3 }, { state: 'success' }] })
  })

  test.each([
    ['fail', 'failed'],
    ['skip', 'skipped'],
  ] as const)('after its timeout it ends as onTimeout says: %s', async (onTimeout, state) => {
    const own = await openTestRunner(database, [])
    const wait = { check: () => false, every: '1m', timeout: '50ms', retries: 3, onTimeout } as const
    const ended = await own.run(dag(uniqueId('wait'), {}, ({ task }) => task.waitFor('never', wait)))
    expect(ended.task_instances).toMatchObject([{ state, reason: 'waited for 50 ms', try_number: 2 }])
  })

  test('its timeout begins again after a clear', async () => {
    const seen: Date[] = []
    const defined = dag(uniqueId('wait'), {}, ({ task }) => {
      task('look', {
        run: (_inputs, { firstStartedAt }) => {
          seen.push(firstStartedAt)
          if (seen.length === 1) throw skip('once')
        },
      })
    })
    const own = await openTestRunner(database, [defined])
    const { run_id: runId } = await own.run(defined)
    await own.runner.claim({ dagIds: [defined.id], onlyBegun: false })
    await clear(own.metadata, { dagId: defined.id, runId }, {})
    const clearedAt = new Date()
    own.runner.runsWaiting()
    await until(async () => (await stored(own.metadata, defined.id, runId)).task_instances[0]?.state === 'success')
    expect(seen[1]?.getTime()).toBeGreaterThanOrEqual(clearedAt.getTime() - 1)
  })

  test('its checks are one try in the history, from the first to the last; a check that logged is kept', async () => {
    const begun: Date[] = []
    const defined = dag(uniqueId('wait'), {}, ({ task }) => {
      const check = (_inputs: unknown, { tryNumber, log }: TaskContext) => {
        begun.push(new Date())
        if (tryNumber === 3) log.info('soon')
        if (tryNumber === 5) throw new Error('broken')
        return tryNumber === 8
      }
      task.waitFor('there', { check, every: '10ms', retries: 1, retryDelay: 1 })
    })
    const own = await openTestRunner(database, [defined])
    const { run_id: runId } = await own.run(defined)
    const tries = await triesOf(own.metadata, runId)
    const waits = 'up_for_reschedule'
    expect(tries.map(({ at, state }) => [at, state])).toEqual([
      [3, waits],
      [4, waits],
      [5, 'failed'],
      [7, waits],
      [8, 'success'],
    ])
    expect(tries[0]?.started.getTime()).toBeLessThan(begun[1]?.getTime() ?? 0)
    expect(tries[0]?.ended.getTime()).toBeGreaterThanOrEqual(begun[2]?.getTime() ?? 0)
  })

  test('the checks before a clear and those after it are two tries in the history', async () => {
    const defined = dag(uniqueId('wait'), {}, ({ task }) => {
      task.waitFor('never', { check: () => false, every: '1h' })
    })
    const own = await openTestRunner(database, [defined])
    const { run, finished } = await own.runner.run(defined, { logicalDate: new Date() })
    const waits = (tryNumber: number) =>
      until(async () => (await triesOf(own.metadata, run.runId)).at(-1)?.at === tryNumber)
    await waits(1)
    await clear(own.metadata, { dagId: defined.id, runId: run.runId }, {})
    own.runner.runChanged(run.dagRunId)
    await waits(2)
    expect((await triesOf(own.metadata, run.runId)).map(({ at }) => at)).toEqual([1, 2])
    await own.runner.stop('the test has ended')
    await finished
  })

  test('refuses wrong options at its definition', () => {
    const define = (options: object) => dag('d', {}, ({ task }) => task.waitFor('w', options as never))
    expect(() => define({ check: () => true })).toThrow("every of 'w' is not a duration")
    expect(() => define({ check: 7, every: '1s' })).toThrow("check of 'w' must be a function")
    expect(() => define({ check: () => true, every: '1s', onTimeout: 'stop' })).toThrow('one of fail, skip')
    const grouped = () => dag('d', {}, ({ group }) => group('g', ({ task }) => void task.waitFor('w', {} as never)))
    expect(grouped).toThrow("check of 'g.w' must be a function")
  })
})

describe('the context of a try', () => {
  test('counts its earlier failures, and says whether it is the last try', async () => {
    const seen: unknown[][] = []
    const defined = dag(uniqueId('tries'), { schedule: '0 0 * * *' }, ({ task }) => {
      task('fails', {
        retries: 2,
        retryDelay: 1,
        run: (_inputs, { previousFailures, maxTries, isLastTry, firstStartedAt, nextLogicalDate }) => {
          seen.push([previousFailures, maxTries, isLastTry, firstStartedAt.toISOString(), nextLogicalDate])
          throw new Error('again')
        },
      })
    })
    const own = await openTestRunner(database, [])
    await own.run(defined, { logicalDate: new Date('2026-03-01T00:00:00Z') })
    const [at, next] = [seen[0]?.[3], new Date('2026-03-02T00:00:00Z')]
    expect(seen).toEqual([
      [0, 3, false, at, next],
      [1, 3, false, at, next],
      [2, 3, true, at, next],
    ])
  })

  test('latestOnly skips the task in a scheduled run that is not the latest', async () => {
    const defined = dag(uniqueId('latest'), { schedule: '0 0 * * *' }, ({ task }) => {
      task('publish', { latestOnly: true, run: () => {} })
    })
    const own = await openTestRunner(database, [])
    const day = new Date('2026-01-01T00:00:00Z')
    const old = await own.run(defined, { runType: 'scheduled', logicalDate: day })
    expect(old.task_instances).toMatchObject([
      { state: 'skipped', reason: expect.stringContaining('2026-01-02T00:00:00.000Z is newer') },
    ])
    const today = new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000)
    const latest = await own.run(defined, { runType: 'scheduled', logicalDate: today })
    expect(latest.task_instances).toMatchObject([{ state: 'success' }])
    expect((await own.run(defined, { logicalDate: day })).task_instances).toMatchObject([{ state: 'success' }])
  })
})
