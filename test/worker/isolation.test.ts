import { describe, expect, test } from 'vitest'
import { useDatabase } from '../support/database.ts'
import { hasGroup, openIsolatedRunner, useIsolatedRunner } from '../support/isolated.ts'

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
    ['exit', 'called process.exit(3); a task must return or throw instead'],
    ['reallyExit', 'called process.reallyExit(3); a task must return or throw instead'],
    ['sigtermSelf', 'its process was killed by SIGTERM'],
    ['kill', 'its process was killed by SIGKILL'],
    ['throwLate', 'unhandled error: thrown in a timer'],
    ['rejectLate', 'unhandled error: rejected without a handler'],
    ['disconnect', 'it closed the channel to its parent process'],
  ])('%s fails its try and ends its process', async (how, reason) => {
    const acted = await runner().act('careless', { how })
    expect(acted).toMatchObject({ state: 'failed', reason })
    await expect.poll(() => hasGroup(acted.pid)).toBe(false)
  })

  test('an error that was not caught is stored with its stack', async () => {
    const { error } = await runner().act('careless', { how: 'throwLate' })
    expect(error).toMatch(/Error: thrown in a timer\n.*careless\/dag\.ts:\d+/)
  })

  test('messages that are not reports are ignored', async () => {
    const { state, lines } = await runner().act('careless', { how: 'forge' })
    expect(state).toBe('success')
    expect(lines).toHaveLength(1)
  })
})

describe('limits', () => {
  const runner = useIsolatedRunner(database)

  test.concurrent.for(['busy', 'execSync', 'ignore'])(
    'a task that does not react to its time limit (%s) fails 10 s after it, and its process ends',
    async (how, { expect }) => {
      const began = performance.now()
      const { state, reason, pid } = await runner().act('limited', { how })
      expect({ state, reason }).toEqual({ state: 'failed', reason: 'took longer than its execution timeout of 1 s' })
      expect(performance.now() - began).toBeLessThan(25_000)
      expect(pid).toBeGreaterThan(0)
      await expect.poll(() => hasGroup(pid)).toBe(false)
    },
  )

  test('a task that obeys its signal fails at its time limit', async () => {
    const { state, reason } = await runner().act('limited', { how: 'obey' })
    expect({ state, reason }).toEqual({ state: 'failed', reason: 'took longer than its execution timeout of 1 s' })
  })

  test('a heap beyond the limit ends only the child', async () => {
    const acted = await runner().act('leaky', { how: 'heap' })
    expect(acted).toMatchObject({ state: 'failed', reason: 'its process ran out of memory (limit 64 MB)' })
  })

  test('memory beside the heap counts too', async () => {
    const acted = await runner().act('leaky', { how: 'buffers' })
    expect(acted).toMatchObject({
      state: 'failed',
      reason: 'its process used more than 320 MB of memory (limit 64 MB)',
    })
  })
})

test('a wrong setting fails the try', async () => {
  const runner = await openIsolatedRunner(database)
  try {
    const run = await runner.run(runner.dag('configured'))
    const problem = "the child process could not load dag 'configured': ISOLATED_TOKEN is not set"
    expect(run.reason).toBe(`act failed: ${problem}`)
  } finally {
    await runner.close()
  }
})
