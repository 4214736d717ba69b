import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { Callbacks } from '../../src/callbacks/callbacks.ts'
import type { DagCallbacks, RunLate } from '../../src/callbacks/events.ts'
import { type Dag, dag } from '../../src/dag/dag.ts'
import { openLog } from '../../src/log.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import { clear } from '../../src/operations/operate.ts'
import { runCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { aJob, aRun } from '../support/factories.ts'
import { deferred, openTestRunner, silent, testResources, uniqueId } from '../support/runner.ts'
import { withFolder } from '../support/scratch.ts'

const database = useDatabase()
const metadata = (): Metadata => openMetadata(database.pool, 'metadata')

/** A dag of one task that fails twice, with one retry. Returns it with what was called, in order. */
function failing(more: DagCallbacks = {}) {
  const called: string[] = []
  const defined = dag(
    uniqueId('failing'),
    {
      onRetry: ({ taskId, tryNumber, reason, retryAt }) => {
        called.push(`retry ${taskId} ${tryNumber}: ${reason} ${retryAt instanceof Date}`)
      },
      onTaskFailure: ({ taskId, tryNumber, reason }) => void called.push(`failure ${taskId} ${tryNumber}: ${reason}`),
      onFailure: ({ failed }) => void called.push(`run, tasks ${failed.map(({ taskId }) => taskId)}`),
      ...more,
    },
    ({ task }) => {
      const load = task('load', {
        retries: 1,
        retryDelay: '1ms',
        run: (_inputs, { tryNumber }) => {
          throw new Error(`no ${tryNumber}`)
        },
      })
      task('after', { upstream: { load }, run: () => {} })
    },
  )
  return { defined, called }
}

const ALL = ['retry load 1: no 1 true', 'failure load 2: no 2', 'run, tasks load']

describe('onRetry and onTaskFailure', () => {
  test('are called for each failed try, one after the other, before onFailure', async () => {
    const { defined, called } = failing({
      onRetry: async ({ taskId, tryNumber, reason }) => {
        // The task fails for the second time in the meantime.
        await delay(300)
        called.push(`retry ${taskId} ${tryNumber}: ${reason} true`)
      },
    })
    await (await openTestRunner(database, [defined])).run(defined)
    expect(called).toEqual(ALL)
  })

  test('have the same context as the callbacks of runs', async () => {
    const contexts: unknown[] = []
    const { defined } = failing({ onRetry: (_retry, context) => void contexts.push(Object.keys(context).sort()) })
    await (await openTestRunner(database, [defined])).run(defined)
    expect(contexts).toEqual([['http', 'log', 'now', 'settings', 'signal']])
  })

  test('are called once, however often and by how many processes the change is seen', async () => {
    const { defined, called } = failing()
    const others = [1, 2].map(() => new Callbacks({ db: metadata(), resources: testResources(database), log: silent }))
    const runner = await openTestRunner(database, [defined], {
      onChange: (run, change) => {
        for (const other of others) other.changed(run, change)
      },
    })
    await runner.run(defined)
    for (const other of others) await other.close()
    expect(called.sort()).toEqual([...ALL].sort())
  })

  test('the row is written before the call', async () => {
    const rows: unknown[] = []
    const { defined } = failing({
      onTaskFailure: async () => {
        const text = 'select kind, task_id, try_number from metadata.task_callback order by try_number'
        rows.push(...(await metadata().query(text)).rows)
      },
    })
    await database.pool.query('truncate metadata.task_callback')
    await (await openTestRunner(database, [defined])).run(defined)
    expect(rows).toEqual([
      { kind: 'retry', task_id: 'load', try_number: 1 },
      { kind: 'failure', task_id: 'load', try_number: 2 },
    ])
  })

  test('a failure whose change was not seen is found at the end of the run', async () => {
    const { defined: unseen } = failing({ onRetry: undefined, onTaskFailure: undefined } as never)
    const { metadata: db, runner } = await openTestRunner(database, [unseen])
    const owned = await runner.run(unseen, { logicalDate: new Date() })
    await owned.finished
    const { defined, called } = failing({ onFailure: () => {} })
    const callbacks = new Callbacks({ db, resources: testResources(database), log: silent })
    await callbacks.ended({ dag: defined, run: owned.run }, 'failed')
    await callbacks.ended({ dag: defined, run: owned.run }, 'failed')
    expect(called).toEqual(['failure load 2: no 2'])
  })

  test('after a clear of one task, its new failure is called; the failure of another task is not, even if it never was', async () => {
    const called: string[] = []
    const run = () => {
      throw new Error('no')
    }
    const onTaskFailure: DagCallbacks['onTaskFailure'] = ({ taskId, tryNumber }) =>
      called.push(`${taskId} ${tryNumber}`)
    const defined = dag(uniqueId('two'), { onTaskFailure }, ({ task }) => [
      task('load', { run }),
      task('other', { run }),
    ])
    const { run: runOnce, runner, metadata: db } = await openTestRunner(database, [defined])
    const { run_id: runId } = await runOnce(defined)
    await db.query('truncate metadata.task_callback')
    await clear(db, { dagId: defined.id, runId }, { taskIds: ['load'] })
    await runner.claim({ dagIds: [defined.id], onlyBegun: false })
    await runner.idle()
    await runner.drained()
    expect(called.sort()).toEqual(['load 1', 'load 2', 'other 1'])
  })

  test('one that throws is logged; the others are called, and the run is not affected', async () => {
    const logged: string[] = []
    const to = { write: (line: string) => logged.push(line) > 0 } as unknown as NodeJS.WritableStream
    const log = openLog({ level: 'info', format: 'json', scrub: (text) => text, to })
    const { defined, called } = failing({
      onRetry: () => {
        throw new Error('broken callback')
      },
    })
    const { run } = await openTestRunner(database, [defined], { log })
    expect((await run(defined)).state).toBe('failed')
    expect(called).toEqual(ALL.slice(1))
    expect(logged.filter((line) => line.includes('broken callback'))).toHaveLength(1)
    expect(logged.join()).toContain('a callback failed; the run is not affected')
  })
})

describe('onLate', () => {
  /** A dag that is late after half an hour. Runs of `aRun` were queued an hour ago. */
  function watched(call: (late: RunLate) => unknown = () => {}) {
    const late: RunLate[] = []
    const onLate = {
      after: '30m' as const,
      call: (one: RunLate) => {
        late.push(one)
        return call(one)
      },
    }
    return { late, defined: dag(uniqueId('watched'), { onLate }, ({ task }) => void task('load', { run: () => {} })) }
  }

  async function look(defined: Dag, filter = { jobId: 0, ownerless: true }): Promise<void> {
    const callbacks = new Callbacks({ db: metadata(), resources: testResources(database), log: silent })
    await callbacks.callForLateRuns(new Map([[defined.id, defined]]), filter)
    await callbacks.close()
  }

  const owner = async (dagRunId: number): Promise<number> => {
    const { rows } = await metadata().query<{ job_id: number }>(
      'select job_id from metadata.dag_run where dag_run_id = $1',
      [dagRunId],
    )
    return rows[0]?.job_id ?? 0
  }

  test('is called once for a queued run that no process owns', async () => {
    const { defined, late } = watched()
    await aRun(metadata(), { dagId: defined.id, state: 'queued' })
    await Promise.all([look(defined), look(defined)])
    await look(defined)
    expect(late).toEqual([
      {
        dagId: defined.id,
        runId: 'run',
        state: 'queued',
        logicalDate: expect.any(Date),
        queuedAt: expect.any(Date),
        unfinished: [],
      },
    ])
  })

  test('is called by the owner of a running run, with the tasks that have not ended', async () => {
    const { defined, late } = watched()
    const tasks = { done: 'success', load: 'running', again: 'up_for_retry', later: 'none' } as const
    const run = await aRun(metadata(), { dagId: defined.id, state: 'running', tasks })
    await look(defined)
    expect(late).toEqual([])
    await look(defined, { jobId: await owner(run), ownerless: false })
    expect(late.map(({ state, unfinished }) => [state, unfinished])).toEqual([
      [
        'running',
        [
          { taskId: 'again', state: 'up_for_retry', reason: '' },
          { taskId: 'load', state: 'running', reason: '' },
        ],
      ],
    ])
    expect((await metadata().query('select state from metadata.dag_run where dag_run_id = $1', [run])).rows).toEqual([
      { state: 'running' },
    ])
  })

  test.each(['success', 'failed'] as const)('is not called for a run that is %s', async (state) => {
    const { defined, late } = watched()
    await aRun(metadata(), { dagId: defined.id, state })
    await look(defined)
    expect(late).toEqual([])
  })

  test('is not called for runs of backfills, and without `ownerless` not for runs that no process owns', async () => {
    const { defined, late } = watched()
    await aRun(metadata(), { dagId: defined.id, state: 'queued', runType: 'backfill', runId: 'backfill' })
    await look(defined)
    await aRun(metadata(), { dagId: defined.id, state: 'queued' })
    await look(defined, { jobId: 0, ownerless: false })
    expect(late).toEqual([])
  })

  test('counts a cleared run from its clear, and can be called again', async () => {
    const { defined, late } = watched()
    const { run, metadata: db } = await openTestRunner(database, [defined])
    const { run_id: runId } = await run(defined)
    const age = (column: string) =>
      db.query(`update metadata.dag_run set ${column} = now() - interval '1 hour' where run_id = $1`, [runId])
    await age('queued_at')
    await age('late_at')
    await clear(db, { dagId: defined.id, runId }, { taskIds: ['load'] })
    await look(defined)
    expect(late).toEqual([])
    await age('reopened_at')
    await look(defined)
    expect(late).toHaveLength(1)
  })

  test('does not wait for a run that is being written', async () => {
    const { defined, late } = watched()
    await aRun(metadata(), { dagId: defined.id, state: 'queued' })
    const writer = await database.pool.connect()
    await writer.query('begin')
    await writer.query('select from metadata.dag_run where dag_id = $1 for no key update', [defined.id])
    await look(defined)
    expect(late).toEqual([])
    await writer.query('commit')
    writer.release()
    await look(defined)
    expect(late).toHaveLength(1)
  })

  test('close waits for calls that run', async () => {
    const { promise, resolve } = deferred()
    let hasEnded = false
    const { defined } = watched(async () => {
      await promise
      await metadata().query('select pg_sleep(0.1)')
      hasEnded = true
    })
    await aRun(metadata(), { dagId: defined.id, state: 'queued' })
    const callbacks = new Callbacks({ db: metadata(), resources: testResources(database), log: silent })
    await callbacks.callForLateRuns(new Map([[defined.id, defined]]), { jobId: 0, ownerless: true })
    const closed = callbacks.close()
    resolve()
    await closed
    expect(hasEnded).toBe(true)
  })

  test('belongs to the process of the run: another job does not call it', async () => {
    const { defined, late } = watched()
    await aRun(metadata(), { dagId: defined.id, state: 'running', tasks: { load: 'running' } })
    await look(defined, { jobId: await aJob(metadata()), ownerless: true })
    expect(late).toEqual([])
  })
})

test('in a real process, a late run is reported while it runs, and continues', async () => {
  await withFolder(async (folder) => {
    const LATE_FILE = join(folder, 'late.json')
    const PIPELINES_DIR = fileURLToPath(new URL('../fixtures/late-pipelines', import.meta.url))
    const env = { PIPELINES_DIR, LATE_FILE, DATABASE_URL: database.connectionString }
    const { code } = await runCli(['pipeline', 'late'], { env })
    expect(code).toBe(0)
    expect(JSON.parse(readFileSync(LATE_FILE, 'utf8'))).toEqual({
      runId: expect.stringContaining('manual__'),
      state: 'running',
      unfinished: [{ taskId: 'wait', state: 'running', reason: '' }],
    })
  })
})
