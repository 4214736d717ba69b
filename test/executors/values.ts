import { describe, expect, test } from 'vitest'
import { readLogs } from '../../src/operations/logs.ts'
import { BAD_OUTPUTS, FIELDS, MESSAGES, OUTPUTS, THROWN } from '../fixtures/conformance-pipelines/values.ts'
import { statesOf } from '../support/runner.ts'
import { someoneWaits } from '../support/waits.ts'
import type { Suite } from './under-test.ts'

interface Acted {
  task_id: string
  state: string
  reason: string | null
  value: unknown
  error: string | null
  of_run: string | null
}

/** Values that JSON, the channel to another process or Postgres cannot carry. */
export function values({ database, mostSlots, dag, open, closeGate }: Suite): void {
  /** Runs the task `bad` with this value. `good1` and `good2` end at the same moment; `after` is downstream of them. */
  async function beside(kind: string, which: string) {
    const { runner, metadata } = await open()
    const openGate = await closeGate('values')
    const { run, finished } = await runner.run(dag('values'), {
      logicalDate: new Date(),
      conf: { kind, which, gate: 'values' },
    })
    await someoneWaits(database, Math.min(3, mostSlots))
    await openGate()
    await finished
    await runner.drained()
    const text = `select task_id, state, reason, value, error, (select reason from metadata.dag_run r
        where r.dag_run_id = i.dag_run_id) as of_run
      from metadata.task_instance i left join metadata.xcom using (dag_run_id, task_id) where dag_run_id = $1`
    const { rows } = await database.pool.query<Acted>(text, [run.dagRunId])
    const { bad: _bad, ...others } = statesOf({ task_instances: rows } as never)
    expect(others).toEqual({ good1: 'success', good2: 'success', after: 'success' })
    const logs = await readLogs(metadata, { dagId: 'values', runId: run.runId }, 'bad')
    const bad = rows.find(({ task_id }) => task_id === 'bad') as Acted
    return { ...bad, logs }
  }

  describe('an output', () => {
    test.each(OUTPUTS)('with %s is stored', async (name, _output, expected) => {
      const { state, reason, value } = await beside('output', name)
      expect([state, reason]).toEqual(['success', null])
      expect(value).toEqual(expected)
    })

    test.each(BAD_OUTPUTS)('with %s fails its own task only', async (name, _output, expected) => {
      const { state, reason } = await beside('badOutput', name)
      expect([state, reason]).toEqual(['failed', expect.stringContaining(expected)])
    })

    test('that does not fit its schema fails its task', async () => {
      const { run } = await open()
      const { task_instances } = await run(dag('wrong-outputs'))
      const reasons = Object.fromEntries(task_instances.map(({ task_id, state, reason }) => [task_id, [state, reason]]))
      expect(reasons).toEqual({
        shape: ['failed', expect.stringContaining('the output does not fit its schema at n:')],
        'not-json': ['failed', expect.stringContaining('the output cannot be read back from JSON; use a codec')],
        'too-long': ['failed', expect.stringContaining('over the limit of 1000000')],
        none: ['failed', expect.stringContaining('the output is not JSON')],
      })
    })
  })

  describe('a log line', () => {
    test.each(FIELDS)('with %s is stored', async (name, _fields, expected) => {
      const { state, logs } = await beside('fields', name)
      expect(logs.map(({ message }) => message)).toEqual(['before', 'bad', 'after'])
      expect(state).toBe('success')
      expect(logs[1]?.fields).toEqual(expected)
    })

    test.each(MESSAGES)('whose message is %s is stored as text', async (name, _message, expected) => {
      const { state, logs } = await beside('message', name)
      expect(state).toBe('success')
      expect(logs.map(({ message }) => message)).toEqual([expected])
    })
  })

  describe('what a task throws', () => {
    test.each(THROWN)('%s fails its own task only', async (name, _thrown, expected) => {
      const { state, reason } = await beside('thrown', name)
      expect([state, reason]).toEqual([
        name.startsWith('a skip') ? 'skipped' : 'failed',
        expect.stringContaining(expected),
      ])
    })

    test('of an error of 5 MB, the beginning, the size of the rest, the stack and the cause are stored', async () => {
      const { reason, error, of_run } = await beside('thrown', 'an error of 5 MB')
      expect(reason).toBe(`${'x'.repeat(2_000)}… 5 MB more`)
      expect(of_run).toBe(`bad failed: ${reason}`)
      expect(error?.length).toBeLessThan(10_000)
      expect(error).toMatch(/^TminusError: x+… 5 MB more\n +at .*\ncaused by Error: x+… 5 MB more\n +at /s)
    })
  })

  test('texts that Postgres cannot store are stored without NUL bytes and unpaired surrogates', async () => {
    const { run, metadata } = await open()
    const result = await run(dag('texts'))
    expect(result.task_instances).toMatchObject([
      { state: 'success' },
      { state: 'failed', reason: 'reason with \ufffd' },
    ])
    const [line] = await readLogs(metadata, { dagId: 'texts', runId: 'latest' }, 'b')
    expect(line).toMatchObject({ message: '\ufffdnul \ufffd lone \ufffd', fields: { deep: { odd: '\ufffd\ufffd' } } })
  })
}
