import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { enqueue } from '../../src/operations/trigger.ts'
import { useDatabase } from '../support/database.ts'
import { hasGroup, ISOLATED_PIPELINES, openIsolatedRunner, useIsolatedRunner } from '../support/isolated.ts'

const database = useDatabase()

describe('a child that a try left clean', () => {
  const runner = useIsolatedRunner(database, { slots: 1 })

  test('executes the next try of the same dag', async () => {
    const first = await runner().act('careless', {})
    const second = await runner().act('careless', {})
    expect(second.pid).toBe(first.pid)
    expect(second.output).toEqual({ pid: first.pid, tries: 2 })
  })

  test('executes no try of another dag, and ends if more than the slots are idle', async () => {
    const first = await runner().act('careless', {})
    const second = await runner().act('limited', { how: 'nothing' })
    expect(second.pid).not.toBe(first.pid)
    await expect.poll(() => hasGroup(first.pid)).toBe(false)
  })
})

describe('a child that a try did not leave clean', () => {
  const runner = useIsolatedRunner(database)

  test.each(['interval', 'chdir', 'env', 'sigterm', 'message', 'capture', 'subprocess'])(
    'is replaced: %s',
    async (how) => {
      const first = await runner().act('careless', { how })
      expect(first.state).toBe('success')
      const second = await runner().act('careless', {})
      expect(second.pid).not.toBe(first.pid)
      expect(second.output).toEqual({ pid: second.pid, tries: 1 })
      await expect.poll(() => hasGroup(first.pid)).toBe(false)
    },
  )

  test('a process that has left its group cannot print for ever', async () => {
    const { state, lines } = await runner().act('careless', { how: 'orphan' })
    expect(state).toBe('success')
    const [, orphan] = /orphan (\d+)/.exec(lines.map(({ message }) => message).join('\n')) ?? []
    expect(Number(orphan)).toBeGreaterThan(1)
    await expect.poll(() => hasGroup(Number(orphan)), { timeout: 5_000 }).toBe(false)
  })

  test('an error after the end of its try is logged by the process, and charged to no try', async () => {
    const { state, pid } = await runner().act('careless', { how: 'throwAfterEnd' })
    expect(state).toBe('success')
    await expect.poll(() => runner().processLog.join('')).toContain('thrown after the end')
    await expect.poll(() => hasGroup(pid)).toBe(false)
  })
})

test('an idle child ends after its time', async () => {
  const runner = await openIsolatedRunner(database, { idleMs: 50 })
  const { pid } = await runner.act('careless', {})
  await expect.poll(() => hasGroup(pid)).toBe(false)
  await runner.close()
})

test('close ends every child', async () => {
  const runner = await openIsolatedRunner(database)
  const { pid } = await runner.act('careless', {})
  expect(hasGroup(pid)).toBe(true)
  await runner.close()
  expect(hasGroup(pid)).toBe(false)
})

test('a child with other code than this process says so, and is not used again', async () => {
  const runner = await openIsolatedRunner(database, { codeVersion: '0123456789abcdef' })
  const first = await runner.act('careless', {})
  const second = await runner.act('careless', {})
  expect([first.state, second.state]).toEqual(['success', 'success'])
  expect(second.pid).not.toBe(first.pid)
  expect(first.lines[0]).toMatchObject({
    level: 'warn',
    message: expect.stringContaining('code of the pipelines has changed'),
  })
  await runner.close()
})

test('a try of a dag whose tasks have changed fails, and asks for a restart', async () => {
  const files = new Map([['careless', join(ISOLATED_PIPELINES, 'plain/dag.ts')]])
  const runner = await openIsolatedRunner(database, { loaded: { files } })
  const { reason } = await runner.act('careless', {})
  expect(reason).toBe(
    "the child process could not load dag 'careless': its tasks have changed since the process started; restart the process",
  )
  await runner.close()
})

describe('what a task prints', () => {
  const runner = useIsolatedRunner(database)

  test('after its end does not appear in the next try', async () => {
    const first = await runner().act('careless', { how: 'printLate' })
    const second = await runner().act('careless', { how: 'wait' })
    const third = await runner().act('careless', {})
    expect([first.state, second.state, third.state]).toEqual(['success', 'success', 'success'])
    expect([...second.lines, ...third.lines].filter(({ message }) => message.includes('late'))).toEqual([])
    expect(third.pid).not.toBe(first.pid)
  })

  test('is logged with its own try, from subprocesses too', async () => {
    const first = await runner().act('careless', { how: 'print', text: 'one' })
    const second = await runner().act('careless', { how: 'print', text: 'two' })
    expect(second.pid).toBe(first.pid)
    for (const [{ lines }, word] of [
      [first, 'one'],
      [second, 'two'],
    ] as const) {
      const printed = lines.map(({ level, message }) => `${level} ${message}`).filter((line) => !line.includes('pid'))
      expect(printed.sort()).toEqual([`info out ${word}`, `info sub ${word}`, `warn err ${word}`])
    }
  })

  test('is complete when the try ends: each line is stored, or counted as one that came too fast', async () => {
    const { state, lines } = await runner().act('careless', { how: 'flood' })
    expect(state).toBe('success')
    // With the line of its pid, which may come after the printed ones.
    const dropped = lines.flatMap(({ message }) => /^([\d,]+) lines? w\w+ not stored/.exec(message)?.[1] ?? [])
    const stored = lines.length - dropped.length
    expect(dropped.reduce((sum, count) => sum + Number(count.replaceAll(',', '')), stored)).toBe(30_002)
    expect(Math.max(...lines.map(({ message }) => message.length))).toBeLessThan(20_000)
  })
})

describe('the setting ISOLATION', () => {
  test.each([
    ['asked', 'plain', false],
    ['asked', 'careless', true],
    ['all', 'plain', true],
    ['none', 'careless', false],
  ] as const)('%s: dag %s in a child is %s', async (isolation, dagId, isIsolated) => {
    const runner = await openIsolatedRunner(database, { isolation })
    const { state, pid } = await runner.act(dagId, {})
    expect([state, pid !== process.pid]).toEqual(['success', isIsolated])
    await runner.close()
  })

  test.each([
    ['asked', true],
    ['none', false],
  ] as const)('%s: a task whose earlier try was lost runs in a child is %s', async (isolation, isIsolated) => {
    const runner = await openIsolatedRunner(database, { isolation })
    const { runId } = await enqueue(runner.metadata, runner.dag('plain'), { logicalDate: new Date() })
    await runner.metadata.query(
      `update metadata.task_instance set lost_try = 1, try_number = 1, state = 'scheduled'
       where dag_run_id = (select dag_run_id from metadata.dag_run where run_id = $1)`,
      [runId],
    )
    await runner.runner.claim({ dagIds: ['plain'], onlyBegun: false })
    await expect.poll(() => runner.lines.length).toBe(1)
    await runner.runner.idle()
    const { rows } = await runner.metadata.query(
      `select t.state, isolated from metadata.task_instance t join metadata.dag_run using (dag_run_id) where run_id = $1`,
      [runId],
    )
    expect(rows).toEqual([{ state: 'success', isolated: isIsolated }])
    expect(runner.lines[0]?.message === `pid ${process.pid}`).toBe(!isIsolated)
    await runner.close()
  })
})
