import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { withoutRetries } from '../../src/cli/verbs/pipeline.ts'
import { readLogs } from '../../src/operations/logs.ts'
import { captureConsole } from '../../src/task-console.ts'
import { sendJson, startHttpServer } from '../support/http-server.ts'
import { notify, statesOf, stored, until } from '../support/runner.ts'
import { AHEAD_MS, ENV, type Suite } from './under-test.ts'

/** How tasks end, and what they get. */
export function endings({ database, dag, open, notes, expected }: Suite): void {
  const triesOf = async (runId: string) => {
    const text = `select t.try_number, t.state, t.reason, t.error from metadata.task_try t
      join metadata.dag_run using (dag_run_id) where run_id = $1 order by t.task_id, t.try_number`
    return (await database.pool.query<{ try_number: number; reason: string; error: string }>(text, [runId])).rows
  }
  const outputOf = async (runId: string, taskId: string) => {
    const text =
      'select value from metadata.xcom join metadata.dag_run using (dag_run_id) where run_id = $1 and task_id = $2'
    return (await database.pool.query(text, [runId, taskId])).rows[0]?.value
  }

  describe('a run', () => {
    test('runs its tasks in order, and passes decoded outputs downstream', async () => {
      const { run } = await open()
      const result = await run(dag('chain'))
      expect(result.state).toBe('success')
      expect(statesOf(result)).toEqual({ a: 'success', b: 'success', c: 'success' })
      const inputs = '{"a":{"at":"1970-01-01T00:00:00.000Z"},"b":["object","ü😀"]}'
      expect(await outputOf(result.run_id, 'c')).toEqual({ isDate: true, inputs })
      expect(
        result.task_instances.every(({ start_date, end_date }) => start_date && end_date && start_date <= end_date),
      ).toBe(true)
    })

    test('fails if a task failed, although a later task succeeded; the stacks of the error are stored', async () => {
      const { run } = await open()
      const result = await run(dag('red'))
      expect(result).toMatchObject({ state: 'failed', reason: 'a failed: broken pipe' })
      expect(result.task_instances).toMatchObject([
        { task_id: 'a', state: 'failed', try_number: 1, reason: 'broken pipe' },
        { task_id: 'b', state: 'upstream_failed', try_number: 0, reason: 'a failed' },
        { task_id: 'c', state: 'success', try_number: 1 },
      ])
      const [{ error } = { error: '' }] = await triesOf(result.run_id)
      expect(error).toMatch(
        /^Error: broken pipe\n +at .*red\/dag\.ts:\d+.*\ncaused by Error: a leak\n +at .*red\/dag\.ts:\d+/s,
      )
    })

    test('evaluates every trigger rule', async () => {
      const { run } = await open()
      const { good, bad, left, ...rules } = statesOf(await run(dag('rules')))
      expect([good, bad, left]).toEqual(['success', 'failed', 'skipped'])
      const of = (state: string) => Object.keys(rules).filter((rule) => rules[rule] === state)
      expect(of('success')).toEqual(['all_done', 'one_success', 'one_failed', 'one_done', 'always'])
      expect(of('upstream_failed')).toEqual(['all_success', 'none_failed', 'none_failed_min_one_success'])
      expect(of('skipped')).toEqual(['all_failed', 'none_skipped', 'all_skipped'])
    })
  })

  describe('a task ends', () => {
    test('failed after its retries, each try kept with its reason', async () => {
      const { run } = await open()
      const result = await run(dag('flaky'), { conf: { good: 9 } })
      expect(result.task_instances[0]).toMatchObject({ state: 'failed', try_number: 3, reason: 'no 3' })
      expect(await triesOf(result.run_id)).toMatchObject(
        [1, 2, 3].map((n) => ({ try_number: n, state: 'failed', reason: `no ${n}` })),
      )
    })

    test('successful when a retry is, with its log kept by try', async () => {
      const { run, metadata } = await open()
      const { run_id: runId, task_instances } = await run(dag('flaky'), { conf: { good: 3 } })
      expect(task_instances[0]).toMatchObject({ state: 'success', try_number: 3, reason: null })
      const lines = await readLogs(metadata, { dagId: 'flaky', runId }, 'a')
      expect(lines.map(({ try_number, level, message }) => [try_number, level, message])).toEqual(
        [1, 2, 3].flatMap((n) => [
          [n, 'info', `try ${n}`],
          [n, 'warn', 'careful'],
        ]),
      )
      expect(await readLogs(metadata, { dagId: 'flaky', runId }, 'a', { tryNumber: 2 })).toHaveLength(2)
    })

    test('failed at once by fail(), skipped by skip(), and failed without a retry in a run without retries', async () => {
      const { run } = await open()
      expect((await run(withoutRetries(dag('endings')))).task_instances).toMatchObject([
        { task_id: 'a', state: 'failed', try_number: 1, reason: 'wrong address' },
        { task_id: 'b', state: 'skipped', reason: 'nothing to do' },
        { task_id: 'c', state: 'skipped', try_number: 0, reason: 'b was skipped' },
        { task_id: 'd', state: 'failed', try_number: 1, reason: 'mendable' },
      ])
    })

    test('as the kinds of tasks say: a wait, a group, a branch, a short circuit, a teardown, a map, and the facts about earlier tries', async () => {
      const { run } = await open()
      const result = await run(dag('kinds'), { conf: { region: 'us' } })
      expect(statesOf(result)).toEqual({
        there: 'success',
        'rows.first': 'success',
        'rows.second': 'success',
        choose: 'success',
        eu: 'skipped',
        us: 'success',
        check: 'skipped',
        after: 'skipped',
        open: 'success',
        use: 'skipped',
        close: 'failed',
        list: 'success',
        mapped: 'success',
        'mapped[0]': 'success',
        'mapped[1]': 'skipped',
        'mapped[2]': 'success',
        collect: 'success',
        tries: 'success',
      })
      expect(result.state).toBe('success')
      const reasons = Object.fromEntries(result.task_instances.map(({ task_id, reason }) => [task_id, reason]))
      expect(reasons).toMatchObject({
        eu: 'choose chose us',
        after: 'check skipped all downstream tasks: no new files',
      })
      expect(await outputOf(result.run_id, 'tries')).toEqual([1, 2, true, true, 'undefined'])
      expect(await outputOf(result.run_id, 'collect')).toEqual(['mapped[0] 0 2', '', 'mapped[2] 2 2'])
      const wrong = await run(dag('kinds'), { conf: { region: 'fr' } })
      expect(wrong).toMatchObject({ state: 'failed', reason: expect.stringContaining("it chose 'fr'") })
    })

    test('as the run that it starts and waits for', async () => {
      const own = await open({ slots: 1 })
      await notify(database, [own])
      await own.runner.claim({ dagIds: ['child'], onlyBegun: true })
      const ended = await own.run(dag('parent'))
      expect(statesOf(ended)).toEqual({ load: 'success', after: 'success' })
      expect(await outputOf(ended.run_id, 'after')).toBe(8)
      const failed = await own.run(dag('parent'), { conf: { fails: true } })
      expect(failed.reason).toMatch(
        /^load failed: run triggered__\d+_0_load of dag 'child' ended failed: count failed: disk/,
      )
      expect(await notes()).toEqual(['counts', 'counts'])
    })

    test('rescheduled: it releases its slot and uses up no retry', async () => {
      const { run } = await open({ slots: 1 })
      const result = await run(dag('rescheduled'))
      expect(await notes()).toEqual(['a1', 'b', 'a2'])
      expect(result.task_instances[0]).toMatchObject({ state: 'success', try_number: 2 })
    })

    test('rescheduled or retried in the year 275760: the year 9999 is stored', async () => {
      const { runner, metadata } = await open()
      const { run } = await runner.run(dag('patient'), { logicalDate: new Date() })
      const states = async () => statesOf(await stored(metadata, 'patient', run.runId))
      const last = { rescheduled: 'up_for_reschedule', retried: 'up_for_retry' }
      await until(async () => JSON.stringify(await states()) === JSON.stringify(last))
      const text = 'select distinct due_at from metadata.task_instance where dag_run_id = $1'
      expect((await metadata.query(text, [run.dagRunId])).rows).toEqual([{ due_at: new Date('9999-12-31') }])
      await runner.stop('the test is over')
    })
  })

  test('the context of a task has all its members, and its secrets are not stored', async () => {
    const server = await startHttpServer((_request, response) => sendJson(response, { ok: true }))
    const { run, metadata } = await open()
    const conf = { url: server.origin, word: 'hello' }
    const days = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z']
    const runs = []
    for (const day of days) runs.push(await run(dag('context'), { conf, logicalDate: new Date(day) }))
    await server.close()
    expect(runs.map(({ state }) => state)).toEqual(['success', 'success'])
    const { run_id: runId = '' } = runs[1] ?? {}
    const { now, pid, ...rest } = await outputOf(runId, 'second')
    expect(rest).toEqual({
      input: 0,
      dagId: 'context',
      runId,
      runType: 'manual',
      taskId: 'second',
      tryNumber: 1,
      params: conf,
      hasToken: ENV.CONFORMANCE_TOKEN.length,
      logicalDate: days[1],
      dataIntervalStart: days[1],
      dataIntervalEnd: days[1],
      previous: days[0],
      sum: 2,
      answer: { ok: true },
      aborted: false,
    })
    expect(pid === process.pid).toBe(expected('a task runs in the process of its owner', true))
    expect(Math.abs(now - AHEAD_MS - Date.now())).toBeLessThan(60_000)
    expect(await readLogs(metadata, { dagId: 'context', runId }, 'second')).toMatchObject([
      { level: 'debug', message: 'a debug line', fields: { when: '1970-01-01T00:00:00.000Z', token: '***' } },
      { level: 'error', message: 'the token is ***' },
    ])
  })

  test('the lines of a task that logs in a loop are stored in order, and those that are not stored are counted', async () => {
    const { run, metadata } = await open()
    const { run_id: runId, state } = await run(dag('loud'))
    expect(state).toBe('success')
    const messages = async (taskId: string) => {
      const text = `select message from metadata.task_log join metadata.dag_run using (dag_run_id)
        where run_id = $1 and task_id = $2 order by line`
      return (await metadata.query<{ message: string }>(text, [runId, taskId])).rows.map(({ message }) => message)
    }
    const lines = await messages('loop')
    const dropped = /^([\d,]+) lines? (?:was|were) not stored/.exec(lines.at(-1) ?? '')?.[1]
    const kept = dropped === undefined ? lines : lines.slice(0, -1)
    expect(kept).toEqual(kept.map((_line, index) => `line ${index}`))
    expect(kept.length + Number(dropped?.replaceAll(',', '') ?? 0)).toBe(30_000)
  })
  test("what a task prints with `console` goes to its log, marked, and to no one else's", async () => {
    const restore = captureConsole()
    onTestFinished(restore)
    const print = vi.spyOn(process.stdout, 'write')
    const { run, metadata } = await open()
    const { run_id: runId, state } = await run(dag('loud'))
    const written = print.mock.calls.map(([chunk]) => String(chunk)).filter((text) => text.includes('printed'))
    print.mockRestore()
    expect([state, written]).toEqual(['success', []])
    expect(await readLogs(metadata, { dagId: 'loud', runId }, 'print')).toMatchObject([
      { level: 'info', message: 'printed', fields: { stream: 'stdout' } },
    ])
  })

  test('a shell command prints into the log of its try, and its output is there for the task', async () => {
    const { run, metadata } = await open()
    const { run_id: runId, task_instances } = await run(dag('shell'))
    const reasons = Object.fromEntries(task_instances.map(({ task_id, state, reason }) => [task_id, [state, reason]]))
    expect(reasons).toEqual({
      print: ['success', null],
      skip: ['skipped', 'exit 99 exited with code 99'],
      fail: ['failed', 'echo "no table" >&2; exit 3 exited with code 3: no table'],
    })
    const lines = await readLogs(metadata, { dagId: 'shell', runId }, 'print')
    expect(lines.map(({ level, message }) => `${level} ${message}`).sort()).toEqual([
      "info $ echo $'it\\'s *** $HOME' two; echo careful >&2",
      "info it's *** $HOME two",
      "info out: it's *** $HOME two",
      'warn careful',
    ])
  })
}
