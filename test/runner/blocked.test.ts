import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { loadDags } from '../../src/load-dags.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { type Running, startCli } from '../support/cli.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { openProxy } from '../support/proxy.ts'
import { until } from '../support/runner.ts'
import { someoneWaits } from '../support/waits.ts'

const PIPELINES_DIR = fileURLToPath(new URL('../fixtures/blocking-pipelines', import.meta.url))

interface World {
  database: TestDatabase
  metadata: Metadata
  /** Starts a process that executes queued runs, and waits until it listens. */
  scheduler(): Promise<Running>
  queue(dagId: string, conf?: Record<string, unknown>): Promise<void>
  rows(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>
}

async function inWorld(work: (world: World) => Promise<void>): Promise<void> {
  const database = await createDatabase()
  const metadata = openMetadata(database.pool, 'metadata')
  const { dags } = await loadDags(PIPELINES_DIR)
  const started: Running[] = []
  const rows: World['rows'] = async (sql, values = []) => (await metadata.query(sql, values)).rows
  const scheduler = async () => {
    const one = startCli(['scheduler'], { env: envOf(database) })
    started.push(one)
    const listens = 'select from metadata.job where pid = $1 and backend_pid is not null'
    await until(async () => (await rows(listens, [one.process.pid])).length === 1)
    return one
  }
  const queue: World['queue'] = async (dagId, conf = {}) => {
    const dag = dags.get(dagId)
    if (dag) await enqueue(metadata, dag, { logicalDate: new Date(), conf })
  }
  try {
    await work({ database, metadata, scheduler, queue, rows })
  } finally {
    for (const { process } of started) process.kill('SIGKILL')
    await Promise.all(started.map(({ ended }) => ended))
    await database.drop()
  }
}

const envOf = ({ connectionString }: TestDatabase) => ({
  DATABASE_URL: connectionString,
  PIPELINES_DIR,
  LOG_LEVEL: 'warn',
})

const ENDED = `select from metadata.dag_run where state in ('queued', 'running')`
const TRIES = `select r.dag_id || '/' || t.task_id as task, t.state, t.try_number, t.lost from metadata.task_instance t
  join metadata.dag_run r using (dag_run_id) order by 1`
const JOBS = 'select pid, state, reason, blocked_by from metadata.job order by job_id'

describe.concurrent('a task that blocks the event loop', () => {
  test('for longer than the lease is executed once, and other processes see what blocks', async () => {
    await inWorld(async ({ scheduler, queue, rows }) => {
      const busy = await scheduler()
      await queue('busy', { ms: 36_000 })
      await until(async () => (await rows(`select from metadata.task_instance where state = 'running'`)).length === 1)
      await scheduler()
      const blocked = 'select blocked_by from metadata.job where pid = $1 and blocked_since < now()'
      await until(async () => (await rows(blocked, [busy.process.pid])).length === 1)
      expect(await rows(blocked, [busy.process.pid])).toEqual([{ blocked_by: 'busy/loops' }])
      await until(async () => (await rows(ENDED)).length === 0)
      expect(await rows(TRIES)).toEqual([
        { task: 'busy/after', state: 'success', try_number: 1, lost: 0 },
        { task: 'busy/loops', state: 'success', try_number: 1, lost: 0 },
      ])
      await until(
        async () => (await rows(`${JOBS.replace('order', 'where blocked_since is not null order')}`)).length === 0,
      )
      expect(await rows(`select from metadata.job where state = 'running'`)).toHaveLength(2)
    })
  })

  test('beyond its time limit ends the process and is charged, and an innocent task is not', async () => {
    await inWorld(async ({ scheduler, queue, rows }) => {
      const first = await scheduler()
      await queue('innocent')
      await queue('waits')
      await until(async () => (await rows(`select from metadata.job where blocked_by = 'waits/blocks'`)).length === 1)
      await scheduler()
      const { code, stderr } = await first.ended
      expect(code).toBe(137)
      expect(stderr).toMatch(/^✖ This process was blocked for 1\d s by waits\/blocks and has been ended$/m)
      await until(async () => (await rows(ENDED)).length === 0)
      expect(await rows(TRIES)).toEqual([
        { task: 'innocent/sleeps', state: 'success', try_number: 2, lost: 0 },
        { task: 'waits/after', state: 'success', try_number: 1, lost: 0 },
        { task: 'waits/blocks', state: 'success', try_number: 2, lost: 1 },
      ])
      expect((await rows(JOBS))[0]).toMatchObject({
        state: 'failed',
        reason: expect.stringMatching(/^blocked for 1\d s by waits\/blocks$/),
      })
    })
  })

  test('in native code is identified if no other task runs, and ends the run of a `pipeline` process', async () => {
    await inWorld(async ({ database, rows }) => {
      const native = startCli(['pipeline', 'waits', '--conf', '{"native":true}'], { env: envOf(database) })
      const { code } = await native.ended
      expect(code).toBe(137)
      const reason = expect.stringMatching(/^blocked for 1\d s by waits\/blocks$/)
      expect(await rows('select state, reason from metadata.dag_run')).toEqual([{ state: 'failed', reason }])
      expect(await rows('select task_id, state, reason from metadata.task_instance order by 1')).toEqual([
        { task_id: 'after', state: 'skipped', reason },
        { task_id: 'blocks', state: 'failed', reason },
      ])
    })
  })

  test('ends the process even if the database does not answer', async () => {
    await inWorld(async ({ database, rows }) => {
      const proxy = await openProxy(database.connectionString)
      const env = { ...envOf(database), DATABASE_URL: proxy.connectionString }
      const blocked = startCli(['pipeline', 'waits'], { env })
      await until(async () => (await rows('select from metadata.job where blocked_since is not null')).length === 1)
      proxy.freeze(true)
      const { code, stderr } = await blocked.ended
      proxy.close()
      expect(code).toBe(137)
      expect(stderr).toMatch(
        /^✖ This process was blocked for 1\d s by waits\/blocks and has been ended; its job could not/m,
      )
    })
  })
})

test('a process that was stopped and lost its runs starts no try on waking', async () => {
  await inWorld(async ({ database, scheduler, queue, rows }) => {
    await database.pool.query('create table gate (open int); create table begun (try_number int)')
    const woken = await scheduler()
    await queue('relay')
    await until(async () => (await rows(`select from metadata.task_instance where state = 'running'`)).length === 1)
    await scheduler()
    // The write that claims the second task waits for this lock. It commits while the process is stopped.
    const holder = await database.pool.connect()
    await holder.query('begin')
    await holder.query('select from metadata.dag_run for update')
    await database.pool.query('insert into gate values (1)')
    await someoneWaits(database)
    woken.process.kill('SIGSTOP')
    await holder.query('commit')
    holder.release()
    const second = `select state, try_number from metadata.task_instance where task_id = 'second'`
    await until(async () => (await rows(second))[0]?.state === 'running')
    await rows('select pg_terminate_backend(backend_pid) from metadata.job where pid = $1', [woken.process.pid])
    await until(async () => (await rows(ENDED)).length === 0)
    expect(await rows(second)).toEqual([{ state: 'success', try_number: 2 }])

    woken.process.kill('SIGCONT')
    const alive = `select from metadata.job where pid = $1 and state = 'running' and backend_pid is not null`
    await until(async () => (await rows(alive, [woken.process.pid])).length === 1)
    expect(await rows('select try_number from begun')).toEqual([{ try_number: 2 }])
  })
})
