import { expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import type { LoggedLine, LogLine } from '../../src/metadata/transitions.ts'
import { TryLog, TURN_BYTES } from '../../src/runner/try-log.ts'
import { useDatabase } from '../support/database.ts'
import { FULL, Random, SEED } from '../support/random.ts'
import { openTestRunner, testResources, until } from '../support/runner.ts'

const database = useDatabase()
const of = { dagRunId: 1, taskId: 'loud', tryNumber: 1 }
const DROPPED = /^([\d,]+) lines? (?:was|were) not stored: the task logged faster than they could be written$/
const countOf = ({ message }: LogLine) => Number(DROPPED.exec(message)?.[1]?.replaceAll(',', '') ?? 0)
const lineOf = (message: string): LoggedLine => ({ loggedAt: new Date(), level: 'info', message, fields: undefined })
const MAX_BYTES = 4_000_000

test('each line of a try is taken in order, still waits, or is counted as dropped', async () => {
  for (let seed = SEED; seed < SEED + (FULL ? 500 : 10); seed++) {
    const random = new Random(seed)
    const waiting: LogLine[] = []
    const log = new TryLog(of, (line) => waiting.push(line))
    const taken: LogLine[] = []
    const take = (most: number) => {
      const lines = log.take(most)
      const oldest = waiting.splice(0, lines.length)
      expect(lines.every((line, index) => line === oldest[index])).toBe(true)
      taken.push(...lines)
    }
    let sent = 0
    for (let step = 0; step < 60; step++) {
      const [many, length] = [random.int(1_000), random.pick([0, 50, 2_000, 16_000])]
      for (let count = 0; count < many; count++) log.add(lineOf(`${sent++} ${'x'.repeat(length)}`), (text) => text)
      const bytes = waiting.reduce((sum, { message }) => sum + message.length + 400, 0)
      expect(bytes).toBeLessThan(MAX_BYTES + 17_000)
      if (random.int(3) > 0) take(random.pick([TURN_BYTES, 256_000, 1_000_000]))
    }
    let hasEnded = false
    const ended = Promise.resolve(log.end()).then(() => {
      hasEnded = true
    })
    while (!log.isShort) {
      expect(hasEnded).toBe(false)
      take(256_000)
    }
    await ended
    take(TURN_BYTES)
    expect([log.isEmpty, waiting]).toEqual([true, []])
    const dropped = taken.reduce((sum, line) => sum + countOf(line), 0)
    const stored = taken.filter((line) => countOf(line) === 0).map(({ message }) => Number.parseInt(message, 10))
    expect([seed, stored.length + dropped]).toEqual([seed, sent])
    expect(stored).toEqual([...stored].sort((a, b) => a - b))
  }
})

test('a task that logs 30,000 lines in a loop delays no other task, and all that it may store is there when it ends', async () => {
  const seen = { scrubbed: 0, shown: 0 }
  const loud = dag('loud', {}, ({ task }) => {
    task('shout', {
      run: (_inputs, { log }) => {
        for (let line = 0; line < 30_000; line++) log.info(`line ${line}`)
      },
    })
  })
  const quiet = dag('quiet', {}, ({ task }) => {
    task('work', { run: () => undefined })
  })
  const scrub = (text: string) => {
    if (text.startsWith('line')) seen.scrubbed++
    return text
  }
  const resources = { ...testResources(database), scrub }
  const own = await openTestRunner(database, [loud, quiet], { resources, onLog: () => seen.shown++ })
  const ofLoud = own.run(loud)
  await until(() => seen.shown > 0)
  const quietRun = await own.run(quiet)
  const state = () =>
    database.pool.query(`select from metadata.task_instance where task_id = 'shout' and state = 'success'`)
  await until(async () => (await state()).rows.length === 1)
  const text = 'select message from metadata.task_log order by line'
  const { rows: lines } = await database.pool.query<{ message: string }>(text)
  const { task_instances } = await ofLoud
  expect(quietRun.end_date?.getTime()).toBeLessThan(task_instances[0]?.end_date?.getTime() ?? 0)
  const stored = lines.length - 1
  const [, dropped = ''] = DROPPED.exec(lines.at(-1)?.message ?? '') ?? []
  expect(lines.slice(0, stored).map(({ message }) => message)).toEqual(
    Array.from({ length: stored }, (_, line) => `line ${line}`),
  )
  expect(stored + Number(dropped.replace(',', ''))).toBe(30_000)
  expect([seen.scrubbed, seen.shown]).toEqual([stored, stored + 1])
})
