import { beforeAll, describe, expect, test } from 'vitest'
import type { Catchup, Dag } from '../../src/dag/dag.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import { nextRuns, readNextRuns, readUpcoming } from '../../src/operations/next-runs.ts'
import { setPaused } from '../../src/operations/pause.ts'
import { useDatabase } from '../support/database.ts'
import { uniqueId } from '../support/runner.ts'
import { logicalDates, openScheduler, type ScheduleOptions, SetClock, scheduledDag } from '../support/scheduling.ts'

const database = useDatabase()
let metadata: Metadata
beforeAll(() => {
  metadata = openMetadata(database.pool, 'metadata')
})

const hourly = (options: ScheduleOptions) => scheduledDag(uniqueId('hourly'), { schedule: '@hourly', ...options })
const march = (time: string) => new Date(`2026-03-${time}Z`)
const words = (dates: readonly Date[] = []) => dates.map((date) => date.toISOString().slice(8, 16))

/** Runs a scheduler that starts at the first of these instants and checks at each. */
async function lookAt(dag: Dag, ...times: string[]): Promise<void> {
  const clock = new SetClock('2026-03-01T00:00:00Z')
  const scheduler = openScheduler(metadata, clock, [dag])
  for (const time of times) {
    clock.set(`2026-03-${time}Z`)
    await scheduler.check()
  }
}

const nextAt = async (dag: Dag, time: string, count = 1) =>
  words((await readNextRuns(metadata, [dag], march(time), count)).get(dag.id)?.next)

describe('the next run', () => {
  test.each<[Catchup, string[]]>([
    ['none', ['05T15:00', '05T16:00']],
    ['latest', ['05T14:00', '05T15:00']],
    ['all', ['05T12:00', '05T13:00']],
  ])(
    'lies in the past only where nobody made it and somebody will: catch-up %s, and that is what runs',
    async (catchup, next) => {
      const dag = hourly({ catchup })
      await lookAt(dag, '05T10:59:59', '05T11:00:00')
      expect(await nextAt(dag, '05T11:00:01')).toEqual(['05T12:00'])
      expect(await nextAt(dag, '05T14:30:00', 2)).toEqual(next)
      await lookAt(dag, '05T14:30:00', '05T15:00:00')
      expect((await logicalDates(metadata, dag.id))[1]?.slice(8, 16)).toBe(next[0])
    },
  )

  test('is late for a minute before it is missed', async () => {
    const dag = hourly({})
    await lookAt(dag, '05T10:59:59', '05T11:00:00')
    expect(await nextAt(dag, '05T12:00:59')).toEqual(['05T12:00'])
    expect(await nextAt(dag, '05T12:01:01')).toEqual(['05T13:00'])
  })

  test('does not exist while the dag is paused; after unpausing it is the next tick', async () => {
    const dag = hourly({ catchup: 'all' })
    await lookAt(dag, '05T10:59:59', '05T11:00:00')
    await setPaused(metadata, dag.id, true, march('05T11:30:00'))
    const paused = await readNextRuns(metadata, [dag], march('05T14:00:00'))
    expect(paused.get(dag.id)).toEqual({ paused: true, next: [] })
    await setPaused(metadata, dag.id, false, march('05T14:00:20'))
    expect(await nextAt(dag, '05T14:00:21')).toEqual(['05T15:00'])
  })

  test('is not before the start date, nor before the dag was first seen', async () => {
    expect(await nextAt(hourly({ startDate: '2026-03-09T08:30:00Z' }), '05T14:30:00')).toEqual(['09T09:00'])
    expect(await nextAt(hourly({ startDate: '2026-03-01T00:00:00Z' }), '05T14:30:00')).toEqual(['05T15:00'])
    expect(await nextAt(hourly({ startDate: '2026-03-01T00:00:00Z', catchup: 'all' }), '05T14:30:00')).toEqual([
      '01T00:00',
    ])
  })

  test('a dag without a schedule has none', async () => {
    expect(await nextAt(hourly({ schedule: null }), '05T14:30:00')).toEqual([])
  })

  test('is known without a database', () => {
    expect(words(nextRuns(hourly({}), undefined, march('05T14:30:00'), 2).next)).toEqual(['05T15:00', '05T16:00'])
  })
})

describe('the next runs of several dags', () => {
  const upcomingAt = async (dags: readonly Dag[], time: string, count: number) =>
    (await readUpcoming(metadata, dags, march(time), count)).map(({ dagId, at }) => `${dagId} ${words([at])}`)

  test('are the next one of each dag, earliest first, and follow the clock and each pause', async () => {
    const [often, daily] = [hourly({}), scheduledDag(uniqueId('daily'), { schedule: '30 12 * * *' })]
    const dags = [daily, often]
    await lookAt(often, '05T10:59:59', '05T11:00:00')
    await lookAt(daily, '05T10:59:59', '05T11:00:00')
    const first = [`${often.id} 05T12:00`, `${daily.id} 05T12:30`]
    expect(await upcomingAt(dags, '05T11:00:01', 3)).toEqual(first)
    expect(await upcomingAt(dags, '05T11:00:02', 3)).toEqual(first)
    expect(await upcomingAt(dags, '05T12:10:00', 2)).toEqual([`${daily.id} 05T12:30`, `${often.id} 05T13:00`])
    await setPaused(metadata, daily.id, true, march('05T12:10:00'))
    expect(await upcomingAt(dags, '05T12:10:01', 2)).toEqual([`${often.id} 05T13:00`])
    expect(await upcomingAt(dags, '05T12:10:01', 0)).toEqual([])
    expect(await upcomingAt([], '05T12:10:01', 2)).toEqual([])
  })
})
