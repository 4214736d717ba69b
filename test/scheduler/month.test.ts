import { beforeAll, expect, test } from 'vitest'
import type { Catchup, Dag } from '../../src/dag/dag.ts'
import type { Scheduler } from '../../src/scheduler/scheduler.ts'
import { openTimetable } from '../../src/timetable.ts'
import { useDatabase } from '../support/database.ts'
import { FULL, Random, SEED } from '../support/random.ts'
import { openTestRunner, type TestRunner } from '../support/runner.ts'
import { endQueued, intercepted, logicalDates, openScheduler, SetClock, scheduledDag } from '../support/scheduling.ts'

/** A month in which clocks change in America, Europe, Africa and on Lord Howe Island; FUZZ=full simulates all of it. */
const BEGIN = Date.parse('2026-03-07T00:00:00Z')
const END = Date.parse(FULL ? '2026-04-07T00:00:00Z' : '2026-03-10T00:00:00Z')

const SCHEDULES = [
  '@hourly', '*/20 * * * *', '@daily', '30 2 * * *', '7,37 * * * *', '0 9 * * 1-5', '15 */3 * * *', '0 0 L * *',
  '45 1-3 * * *', '30 15 0,12 * * *',
] // biome-ignore format: a table
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Africa/Cairo']

const dags = SCHEDULES.flatMap((schedule, n) =>
  ZONES.map((timezone, z) => {
    const catchup = (['none', 'latest', 'all'] as const)[(n + z) % 3] as Catchup
    return scheduledDag(`month-${n}-${z}`, { schedule, timezone, catchup })
  }),
)

/** One process, from its first check to its last. */
interface Life {
  scheduler: Scheduler
  first: number
  last: number
  /** The check during which it died; some of its runs were stored. */
  fatal: number
  /** Dies in this check, before or after its write. */
  dies: 'before' | 'after' | undefined
}

const database = useDatabase()
let own: TestRunner
beforeAll(async () => {
  own = await openTestRunner(database, [])
})

test('schedulers killed and started at random run every due tick once', async () => {
  const random = new Random(SEED)
  const clock = new SetClock(new Date(BEGIN).toISOString())
  const lives: Life[] = []
  let alive: Life[] = []
  const start = () => {
    const now = clock.now().getTime()
    const db = intercepted(own.metadata, (name, isDone) => {
      if (name === 'insert_runs' && born.dies === (isDone ? 'after' : 'before')) throw new Error('killed')
    })
    const scheduler = openScheduler(db, clock, dags)
    const born: Life = { scheduler, first: now, last: now, fatal: now, dies: undefined }
    alive.push(born)
    lives.push(born)
  }
  const look = async () => {
    for (const one of alive) if (random.next() < 0.002) one.dies = random.pick(['before', 'after'])
    for (const one of alive) one.fatal = clock.now().getTime()
    await Promise.all(alive.map(({ scheduler }) => scheduler.check()))
    alive = alive.filter((one) => one.dies === undefined)
    for (const one of alive) one.last = clock.now().getTime()
  }
  for (let at = BEGIN, down = 0, steps = 0; at < END; at += 1_000 + random.int(40_000)) {
    clock.set(at)
    if (alive.length === 0 && down === 0)
      down = at + (random.next() < 0.3 ? random.int(12 * 3_600_000) : random.int(90_000))
    if (alive.length > 0 || at >= down) {
      if (alive.length === 0 || (alive.length < 3 && random.next() < 0.002)) start()
      down = 0
    }
    await look()
    if (steps++ % 500 === 0) await endQueued(own.metadata)
  }
  // The ticks that a catch-up has not queued yet.
  clock.set(END)
  start()
  for (let round = 0; round < 50; round++) {
    await endQueued(own.metadata)
    await look()
  }
  expect(lives.length).toBeGreaterThan(FULL ? 100 : 10)
  let runs = 0
  for (const one of dags) runs += await judge(one, lives)
  console.log(`${runs} runs by ${lives.length} schedulers, seed ${SEED}`)
}, 900_000)

async function judge(dag: Dag, lives: readonly Life[]): Promise<number> {
  const { schedule, timezone, catchup } = dag
  const ran = (await logicalDates(own.metadata, dag.id)).map((date) => Date.parse(`${date}Z`))
  const timetable = openTimetable(schedule ?? '', timezone)
  const all: number[] = []
  for (let at = timetable.next(BEGIN); at <= END; at = timetable.next(at)) all.push(at)
  expect(new Set(ran).size).toBe(ran.length)
  expect(all).toEqual(expect.arrayContaining(ran))
  if (catchup === 'all') expect([dag.id, ran]).toEqual([dag.id, all])
  const watched = (tick: number) => lives.some(({ first, last }) => first < tick && tick <= last)
  const missed = all.filter((tick) => !ran.includes(tick))
  expect([dag.id, missed.filter(watched)]).toEqual([dag.id, []])
  if (catchup === 'all') return ran.length
  // At most the last tick before a scheduler started may run late, and with `none` only within a minute.
  const known = (tick: number) => lives.some(({ first, fatal }) => first < tick && tick <= fatal)
  for (const tick of ran.filter((one) => !known(one))) {
    const cameAfter = Math.min(...lives.map(({ first }) => first).filter((first) => first >= tick))
    expect(timetable.next(tick)).toBeGreaterThan(cameAfter)
    if (catchup === 'none') expect(cameAfter - tick).toBeLessThanOrEqual(60_000)
  }
  return ran.length
}
