import { expect, onTestFinished, test, vi } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { useDatabase } from '../support/database.ts'
import { openTestRunner, stored, type TestRunner, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()

/** A task that fails at its first try and is tried again 2 s later. */
function flaky() {
  const tries: number[] = []
  const defined = dag(uniqueId('flaky'), {}, ({ task }) => {
    task('a', {
      retries: 1,
      retryDelay: '2s',
      run: () => {
        tries.push(performance.now())
        if (tries.length === 1) throw new Error('not yet')
      },
    })
  })
  return { defined, tries }
}

function setClock(ms: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })
  onTestFinished(() => void vi.useRealTimers())
}

/** The last try is over, so the task waits for its retry. */
async function waits({ metadata }: TestRunner, dagId: string, runId: string): Promise<void> {
  await until(async () => (await stored(metadata, dagId, runId)).task_instances[0]?.state === 'up_for_retry')
}

test.each([-3_600_000, 3_600_000])('a retry comes after its delay although the clock was set by %i ms', async (ms) => {
  const { defined, tries } = flaky()
  const own = await openTestRunner(database, [defined])
  const run = await own.runner.run(defined, { logicalDate: new Date() })
  await waits(own, defined.id, run.run.runId)
  setClock(ms)
  // The run is read again, as after a lost connection.
  own.runner.runChanged()
  expect(await run.finished).toMatchObject({ state: 'success' })
  const waited = (tries[1] ?? 0) - (tries[0] ?? 0)
  expect(waited).toBeGreaterThan(1_000)
  expect(waited).toBeLessThan(20_000)
})

test('due_at is an instant of the database, whatever the clock of the process', async () => {
  setClock(3_600_000)
  const { defined } = flaky()
  const own = await openTestRunner(database, [defined])
  const run = await own.runner.run(defined, { logicalDate: new Date() })
  await waits(own, defined.id, run.run.runId)
  const { rows } = await own.metadata.query<{ wait: number }>(
    `select extract(epoch from due_at - now())::float8 as wait from metadata.task_instance where due_at is not null`,
  )
  expect(rows[0]?.wait).toBeLessThan(3)
  await run.finished
})

test('a retry that another process adopts after the clock of the database was set back waits its delay', async () => {
  const { defined, tries } = flaky()
  const first = await openTestRunner(database, [defined])
  const run = await first.runner.run(defined, { logicalDate: new Date() })
  await waits(first, defined.id, run.run.runId)
  await first.runner.release(0, 'for the test')
  // As if these instants had been written an hour later.
  const later = `interval '1 hour' where dag_run_id = ${run.run.dagRunId}`
  await first.metadata.query(`update metadata.task_instance set due_at = due_at + ${later}`)
  await first.metadata.query(`update metadata.task_instance_history set ended_at = ended_at + ${later}`)
  const second = await openTestRunner(database, [defined])
  await second.runner.claim({ dagIds: [defined.id], onlyBegun: false })
  await second.runner.idle()
  expect(await stored(second.metadata, defined.id, run.run.runId)).toMatchObject({ state: 'success' })
  expect(tries).toHaveLength(2)
})
