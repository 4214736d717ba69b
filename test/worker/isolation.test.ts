import { describe, expect, test } from 'vitest'
import { useDatabase } from '../support/database.ts'
import { hasGroup, useIsolatedRunner } from '../support/isolated.ts'

const database = useDatabase()

describe('a task that misbehaves in a child process', () => {
  const runner = useIsolatedRunner(database)

  test('a well-behaved task succeeds in another process', async () => {
    const { state, pid, output } = await runner().act('careless', {})
    expect(state).toBe('success')
    expect(pid).not.toBe(process.pid)
    expect(output).toEqual({ pid, tries: 1 })
  })

  test.each([
    ['exit', 'it called process.exit(3); throw an error instead'],
    ['reallyExit', 'it called process.reallyExit(3); throw an error instead'],
    ['kill', 'its process was killed by SIGKILL'],
    ['throwLate', 'thrown in a timer'],
    ['rejectLate', 'rejected without a handler'],
    ['disconnect', 'its process was killed by SIGKILL'],
  ])('%s fails its try and ends its process', async (how, reason) => {
    const acted = await runner().act('careless', { how })
    expect(acted).toMatchObject({ state: 'failed', reason })
    await expect.poll(() => hasGroup(acted.pid)).toBe(false)
  })
})
