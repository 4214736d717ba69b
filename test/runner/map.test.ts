import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { dag } from '../../src/dag/dag.ts'
import { fail, skip } from '../../src/dag/ending.ts'
import type { TriggerRule } from '../../src/dag/trigger-rule.ts'
import { cancel, clear, mark } from '../../src/operations/operate.ts'
import { useDatabase } from '../support/database.ts'
import { deferred, openTestRunner, statesOf, stored, uniqueId, until } from '../support/runner.ts'

const database = useDatabase()

interface Drawn {
  pages: () => number[] | Promise<number[]>
  load?: (page: number, mapIndex: number) => number
  rule?: TriggerRule
  most?: number
}

/** `sum` follows the mapped task `load_page`, and records its input in `seen`. */
function mapping({ pages, load = (page) => page * 10, rule = 'all_success', most = 10_000 }: Drawn) {
  const seen: unknown[] = []
  const defined = dag(uniqueId('map'), {}, ({ task }) => {
    const listed = task('pages', { output: z.array(z.number()), run: pages })
    const loaded = task.map('load_page', {
      over: listed,
      triggerRule: rule,
      maxMapLength: most,
      output: z.number(),
      run: (page, _inputs, { mapIndex }) => load(page, mapIndex),
    })
    task('sum', {
      upstream: { loaded },
      triggerRule: 'all_done',
      run: (inputs) => {
        seen.push(inputs.loaded)
      },
    })
  })
  return { defined, seen }
}

async function open(drawn: Drawn) {
  const { defined, seen } = mapping(drawn)
  const own = await openTestRunner(database, [defined])
  await own.runner.claim({ dagIds: [defined.id], onlyBegun: false })
  const ended = await own.run(defined)
  const key = { dagId: defined.id, runId: ended.run_id }
  /** Waits for the end after a clear or a mark. */
  const again = async () => {
    own.runner.runsWaiting()
    const read = () => stored(own.metadata, defined.id, ended.run_id)
    await until(async () => ['success', 'failed'].includes((await read()).state))
    return await read()
  }
  return { ...own, defined, seen, ended, key, again }
}

const reasonOf = (run: Awaited<ReturnType<typeof stored>>, id: string) =>
  run.task_instances.find(({ task_id }) => task_id === id)?.reason

describe('a mapped task', () => {
  test('runs once for each element, and passes the outputs on in order', async () => {
    const { ended, seen } = await open({ pages: () => [3, 1, 2] })
    expect(ended.state).toBe('success')
    expect(Object.entries(statesOf(ended))).toEqual([
      ['pages', 'success'],
      ['load_page', 'success'],
      ['load_page[0]', 'success'],
      ['load_page[1]', 'success'],
      ['load_page[2]', 'success'],
      ['sum', 'success'],
    ])
    expect(seen).toEqual([[30, 10, 20]])
    expect(ended.task_instances.map(({ try_number }) => try_number)).toEqual([1, 0, 1, 1, 1, 1])
  })

  test('is skipped for an empty array, with the reason', async () => {
    const { ended, seen } = await open({ pages: () => [] })
    expect(ended.state).toBe('success')
    expect(statesOf(ended)).toEqual({ pages: 'success', load_page: 'skipped', sum: 'success' })
    expect(reasonOf(ended, 'load_page')).toBe('pages returned no elements')
    expect(seen).toEqual([undefined])
  })

  test('cannot run if the array is too long: the task that returned it fails, and the reason names the limit', async () => {
    const { ended } = await open({ pages: () => [1, 2, 3], most: 2 })
    expect(statesOf(ended)).toEqual({ pages: 'failed', load_page: 'upstream_failed', sum: 'success' })
    expect(reasonOf(ended, 'pages')).toBe(
      "the output does not fit its schema: has more than 2 elements (maxMapLength of 'load_page')",
    )
  })

  test('with a lower limit than before does not stop other tasks from reading the stored array', async () => {
    const seen: unknown[] = []
    const withLimit = (id: string, maxMapLength: number) =>
      dag(id, {}, ({ task }) => {
        const listed = task('pages', { output: z.array(z.number()), run: () => [1, 2, 3] })
        task.map('load_page', { over: listed, maxMapLength, run: () => {} })
        task('count', { upstream: { listed }, run: ({ listed }) => seen.push(listed.length) })
      })
    const before = withLimit(uniqueId('map'), 3)
    const { run, metadata } = await openTestRunner(database, [before])
    const { run_id: runId } = await run(before)
    const { runner } = await openTestRunner(database, [withLimit(before.id, 2)])
    await clear(metadata, { dagId: before.id, runId }, { taskIds: ['count'] })
    await runner.claim({ dagIds: [before.id], onlyBegun: false })
    await until(async () => ['success', 'failed'].includes((await stored(metadata, before.id, runId)).state))
    expect(seen).toEqual([3, 3])
  })

  test('follows its trigger rule if there is no array; a rule that lets it run skips it', async () => {
    const pages = () => Promise.reject(fail('no network'))
    const strict = await open({ pages })
    expect(statesOf(strict.ended)).toMatchObject({ load_page: 'upstream_failed' })
    const lenient = await open({ pages, rule: 'all_done' })
    expect(statesOf(lenient.ended)).toMatchObject({ load_page: 'skipped' })
    expect(reasonOf(lenient.ended, 'load_page')).toBe('pages returned no array')
  })

  test('succeeds if some elements are skipped; their outputs are undefined', async () => {
    const load = (page: number) => {
      if (page === 2) throw skip('not today')
      return page
    }
    const { ended, seen } = await open({ pages: () => [1, 2, 3], load })
    expect(statesOf(ended)).toMatchObject({ load_page: 'success', 'load_page[1]': 'skipped' })
    expect(seen).toEqual([[1, undefined, 3]])
  })

  test('waits for all elements if one fails, and is upstream_failed', async () => {
    const load = (page: number) => {
      if (page === 1) throw fail('broken')
      return page
    }
    const { ended, seen } = await open({ pages: () => [1, 2, 3], load })
    expect(ended.state).toBe('failed')
    expect(statesOf(ended)).toMatchObject({ load_page: 'upstream_failed', 'load_page[2]': 'success' })
    expect(reasonOf(ended, 'load_page')).toBe('load_page[0] failed')
    expect(seen).toEqual([[undefined, 2, 3]])
  })

  test('runs only the failed seventh of 50 elements again after a clear of what failed', async () => {
    const starts: number[] = []
    let isBroken = true
    const load = (page: number, mapIndex: number) => {
      starts.push(mapIndex)
      if (mapIndex === 6 && isBroken) throw fail('broken')
      return page
    }
    const { ended, metadata, key, again } = await open({ pages: () => Array.from({ length: 50 }, (_, at) => at), load })
    expect(ended.state).toBe('failed')
    isBroken = false
    starts.length = 0
    const { taskIds } = await clear(metadata, key, { onlyFailed: true })
    expect(taskIds.sort()).toEqual(['load_page', 'load_page[6]'])
    const after = await again()
    expect(after.state).toBe('success')
    expect(starts).toEqual([6])
    expect(statesOf(after)).toMatchObject({ load_page: 'success', 'load_page[6]': 'success' })
  })

  test('runs one element again after a clear of it, and all after a clear of the whole', async () => {
    const starts: number[] = []
    const load = (page: number, mapIndex: number) => {
      starts.push(mapIndex)
      return page
    }
    const { metadata, key, again } = await open({ pages: () => [1, 2, 3], load })
    starts.length = 0
    await clear(metadata, key, { taskIds: ['load_page[1]'] })
    await again()
    expect(starts).toEqual([1])
    await clear(metadata, key, { taskIds: ['load_page'] })
    expect(statesOf(await again())).toMatchObject({ load_page: 'success' })
    expect(starts.sort()).toEqual([0, 1, 1, 2])
  })

  test('has more or fewer elements when the array is another one in a second run of its task', async () => {
    let pages = [1, 2]
    const { metadata, key, again, seen } = await open({ pages: () => pages })
    const rerun = async (next: number[]) => {
      pages = next
      await clear(metadata, key, { taskIds: ['pages'], downstream: true })
      return await again()
    }
    expect(statesOf(await rerun([5, 6, 7, 8]))).toMatchObject({ load_page: 'success', 'load_page[3]': 'success' })
    const fewer = await rerun([9])
    expect(statesOf(fewer)).toMatchObject({
      load_page: 'success',
      'load_page[0]': 'success',
      'load_page[1]': 'skipped',
    })
    expect(reasonOf(fewer, 'load_page[3]')).toBe('pages returned only 1 element')
    const none = await rerun([])
    expect(statesOf(none)).toMatchObject({ load_page: 'skipped', 'load_page[0]': 'skipped' })
    expect(seen).toEqual([[10, 20], [50, 60, 70, 80], [90], undefined])
  })

  test('has the elements of the array with which its task is marked success', async () => {
    const { metadata, defined, key, again, seen } = await open({ pages: () => Promise.reject(fail('no network')) })
    await mark(metadata, defined, key.runId, 'pages', 'success', [4, 5])
    const after = await again()
    expect(after.state).toBe('success')
    expect(statesOf(after)).toMatchObject({ load_page: 'success', 'load_page[1]': 'success' })
    expect(seen).toEqual([undefined])
    await mark(metadata, defined, key.runId, 'load_page[1]', 'success', 7)
    await clear(metadata, key, { taskIds: ['sum'] })
    await again()
    expect(seen.at(-1)).toEqual([40, 7])
  })

  test('is marked as a whole: its elements that have not succeeded get the state too', async () => {
    const load = (page: number) => {
      if (page === 1) throw fail('broken')
      return page
    }
    const { metadata, defined, key, again } = await open({ pages: () => [1, 2], load })
    await mark(metadata, defined, key.runId, 'load_page', 'success')
    const after = await again()
    expect(after.state).toBe('success')
    expect(reasonOf(after, 'load_page[0]')).toBe('marked success')
    expect(reasonOf(after, 'load_page[1]')).toBe(null)
  })

  test('ends with its elements when the run is cancelled, and all of them run after a clear', async () => {
    const gate = deferred()
    let isHeld = true
    const { defined, seen } = mapping({ pages: () => [1, 2, 3], load: (page) => page })
    const slow = dag(defined.id, {}, ({ task }) => {
      const pages = task('pages', { output: z.array(z.number()), run: () => [1, 2, 3] })
      const loaded = task.map('load_page', {
        over: pages,
        run: async (_page, _inputs, { signal }) => {
          if (isHeld)
            await Promise.race([gate.promise, new Promise((resolve) => signal.addEventListener('abort', resolve))])
        },
      })
      task('sum', { upstream: { loaded }, run: () => void seen.push('ran') })
    })
    const own = await openTestRunner(database, [slow], { slots: 2 })
    await own.runner.claim({ dagIds: [slow.id], onlyBegun: false })
    const owned = await own.runner.run(slow, { logicalDate: new Date() })
    const key = { dagId: slow.id, runId: owned.run.runId }
    const read = () => stored(own.metadata, slow.id, key.runId)
    await until(async () => statesOf(await read())['load_page[1]'] === 'running')
    await cancel(own.metadata, key)
    own.runner.runChanged()
    await until(async () => (await read()).state === 'failed')
    expect(statesOf(await read())).toEqual({
      pages: 'success',
      load_page: 'skipped',
      'load_page[0]': 'failed',
      'load_page[1]': 'failed',
      'load_page[2]': 'skipped',
      sum: 'skipped',
    })
    isHeld = false
    await clear(own.metadata, key, { taskIds: ['load_page'] })
    own.runner.runsWaiting()
    await until(async () => (await read()).state === 'success')
    expect(seen).toEqual(['ran'])
  })

  test('gets its elements from a stored array if the run gets a graph in which it is new', async () => {
    const id = uniqueId('renewed')
    const before = dag(id, {}, ({ task }) => task('pages', { output: z.array(z.number()), run: () => [1, 2] }))
    const now = dag(id, {}, ({ task }) => {
      const pages = task('pages', { output: z.array(z.number()), run: () => [1, 2] })
      task.map('load_page', { over: pages, run: () => {} })
    })
    const first = await openTestRunner(database, [before])
    const { run_id: runId } = await first.run(before)
    await clear(first.metadata, { dagId: id, runId }, { taskIds: [] }, false, now)
    const second = await openTestRunner(database, [now])
    await second.runner.claim({ dagIds: [id], onlyBegun: false })
    await until(async () => (await stored(second.metadata, id, runId)).state === 'success')
    const states = statesOf(await stored(second.metadata, id, runId))
    expect(states).toMatchObject({ load_page: 'success', 'load_page[1]': 'success' })
  })

  test('counts each element against the limit of active tasks', async () => {
    let [active, most] = [0, 0]
    const limited = dag(uniqueId('limited'), { maxActiveTasks: 2 }, ({ task }) => {
      const pages = task('pages', { output: z.array(z.number()), run: () => [1, 2, 3, 4, 5] })
      task.map('load_page', {
        over: pages,
        run: async () => {
          most = Math.max(most, ++active)
          await new Promise((resolve) => setImmediate(resolve))
          active--
        },
      })
    })
    const own = await openTestRunner(database, [limited], { slots: 8 })
    expect((await own.run(limited)).state).toBe('success')
    expect(most).toBeLessThanOrEqual(2)
  })

  test('runs its setup and teardown again with one cleared element', async () => {
    const ran: string[] = []
    const defined = dag(uniqueId('torn'), {}, ({ task }) => {
      const open = task('open', { run: () => void ran.push('open') })
      const pages = task('pages', { upstream: { open }, output: z.array(z.number()), run: () => [1, 2] })
      const run = (page: number) => void ran.push(`page ${page}`)
      task.map('load_page', { over: pages, run })
      task('close', { teardown: open, run: () => void ran.push('close') })
    })
    const own = await openTestRunner(database, [defined], { slots: 1 })
    await own.runner.claim({ dagIds: [defined.id], onlyBegun: false })
    const { run_id: runId } = await own.run(defined)
    expect(ran.splice(0)).toEqual(['open', 'page 1', 'page 2', 'close'])
    await clear(own.metadata, { dagId: defined.id, runId }, { taskIds: ['load_page[1]'] })
    own.runner.runsWaiting()
    await until(async () => (await stored(own.metadata, defined.id, runId)).state === 'success')
    expect(ran.at(0)).toBe('open')
    expect(ran.at(-1)).toBe('close')
    expect(ran).toContain('page 2')
  })

  test('may be in a group, an option of a branch, and have elements that skip all tasks downstream', async () => {
    const seen: unknown[] = []
    const grouped = (option: 'load' | 'other', isShort = false) =>
      dag(uniqueId('grouped'), {}, ({ task, group }) => {
        const pages = task('pages', { output: z.array(z.number()), run: () => [1, 2, 3] })
        const web = group('web', ({ task }) => ({
          load: task.map('load', {
            over: pages,
            output: z.number(),
            run: (page) => {
              if (page === 2) throw isShort ? skip.downstream('enough') : skip('not today')
              return page * 10
            },
          }),
        }))
        const other = task('other', { run: () => {} })
        task.branch('choose', { options: { load: [web.members.load], other: [other] }, run: () => option })
        task('end', { upstream: { web }, run: ({ web }) => void seen.push(web.load) })
      })
    const own = await openTestRunner(database, [])
    expect(await own.run(grouped('load'))).toMatchObject({ state: 'success' })
    expect(seen).toEqual([[10, undefined, 30]])
    const other = await own.run(grouped('other'))
    expect(other.state).toBe('success')
    expect(statesOf(other)).toMatchObject({ 'web.load': 'skipped', end: 'skipped', other: 'success' })
    expect(reasonOf(other, 'web.load')).toBe('choose chose other')
    const short = await own.run(grouped('load', true))
    expect(statesOf(short)).toMatchObject({ 'web.load': 'success', 'web.load[2]': 'success', end: 'skipped' })
  })

  test('refuses at its definition an upstream whose output is no z.array, or none', () => {
    const define = (over: unknown) =>
      dag('d', {}, ({ task }) => {
        const text = task('text', { output: z.string(), run: () => '' })
        return task.map('m', { over: (over === 'text' ? text : over) as never, run: () => {} })
      })
    const message = "over of 'm' must be a task whose output is a z.array(…)"
    expect(() => define('text')).toThrow(message)
    expect(() => define(undefined)).toThrow(message)
    dag('d', {}, ({ task }) => {
      const texts = task('texts', { output: z.array(z.string()), run: () => [] })
      expect(() =>
        task.map('m', { over: task.map('l', { over: texts, output: z.string(), run: (one) => one }), run: () => {} }),
      ).toThrow(message)
    })
  })
})
