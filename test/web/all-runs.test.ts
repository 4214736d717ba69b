import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { readRuns } from '../../src/operations/list-runs.ts'
import { useDatabase } from '../support/database.ts'
import { aJob, aRun, type RunFacts } from '../support/factories.ts'
import { type OpenSite, openSite } from './site.ts'
import { form } from './support.ts'

const dags = [
  dag('etl', { schedule: '@hourly' }, ({ task }) => task('load', { run: () => {} })),
  dag('etl_small', {}, ({ task }) => task('load', { run: () => {} })),
  dag('yearly', { schedule: '0 0 1 1 *' }, ({ task }) => task('load', { run: () => {} })),
]
const database = useDatabase()
let site: OpenSite
beforeAll(async () => {
  site = await openSite(database, { dags })
})
afterAll(() => site.close())
beforeEach(() => database.pool.query('truncate metadata.dag_run cascade'))

/** Places an ended run that was queued and ended so many hours ago. */
async function place({ queued = 1, ended = queued, ...facts }: RunFacts & { queued?: number; ended?: number }) {
  const id = await aRun(site.metadata, facts)
  await database.pool.query(
    `update metadata.dag_run set queued_at = now() - $2 * interval '1 hour',
       ended_at = case when ended_at is not null then now() - $3 * interval '1 hour' end where dag_run_id = $1`,
    [id, queued, ended],
  )
}

const listed = async (query: string) => {
  const { status, text } = await site.get(`/runs${query}`)
  expect(status).toBe(200)
  return [...text.matchAll(/<a id="run-\d+" href="\/dags\/([^/]+)\/runs\/([^"]+)"/g)].map(
    ([, id, run]) => `${id} ${run}`,
  )
}

describe('the list of all runs', () => {
  beforeEach(async () => {
    await place({ dagId: 'etl', runId: 'old', queued: 50 })
    await place({ dagId: 'etl', runId: 'slow', state: 'failed', queued: 30, ended: 2 })
    await place({ dagId: 'etl_small', runId: 'a', runType: 'backfill', queued: 5 })
    await place({ dagId: 'gone', runId: 'b', state: 'running', queued: 3 })
    await place({ dagId: 'etl', runId: 'c', state: 'queued', queued: 0 })
  })

  const at = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString().slice(0, 16)
  test.each([
    ['', ['etl c', 'gone b', 'etl_small a', 'etl slow', 'etl old']],
    ['?state=failed', ['etl slow']],
    ['?state=nonsense', ['etl c', 'gone b', 'etl_small a', 'etl slow', 'etl old']],
    ['?type=backfill', ['etl_small a']],
    ['?dag=etl', ['etl c', 'etl slow', 'etl old']],
    ['?dag=SMA', ['etl_small a']],
    ['?dag=gone', ['gone b']],
    ['?dag=unknown', []],
    // A run belongs to a time in which it was queued, ran or ended.
    ['?within=1d', ['etl c', 'gone b', 'etl_small a', 'etl slow']],
    ['?within=1d&state=failed', ['etl slow']],
    ['?within=1h', ['etl c', 'gone b']],
    [`?to=${at(10)}`, ['etl slow', 'etl old']],
    [`?from=${at(4)}&to=${at(1)}`, ['gone b', 'etl slow']],
  ])('with %s has the runs %j', async (query, runs) => {
    expect(await listed(query)).toEqual(runs)
  })

  test('keeps the filter in its form and on the next page', async () => {
    for (let n = 0; n < 51; n++) await place({ dagId: 'etl', runId: `n${n}`, state: 'failed' })
    const { text } = await site.get('/runs?dag=etl&state=failed')
    expect(text).toContain('name="dag" value="etl"')
    expect(text).toMatch(/<option value="failed" selected/)
    const [, older = ''] = /<a href="\/runs(\?[^"]+)">Older/.exec(text) ?? []
    expect(await listed(older.replaceAll('&amp;', '&'))).toEqual(['etl n0', 'etl slow'])
  })

  test('says what to do if no run matches', async () => {
    expect((await site.get('/runs?dag=unknown')).text).toContain('Show all runs')
  })
})

test('a run is named by its logical date and kind, and by its id if a user chose the id', async () => {
  await aRun(site.metadata, { dagId: 'etl', runId: 'scheduled__2026-11-29T17:10:00.000Z', runType: 'scheduled' })
  await aRun(site.metadata, { dagId: 'etl', runId: 'before-the-move' })
  await database.pool.query(
    `update metadata.dag_run set logical_date = '2020-11-29T17:10:00Z' where run_type = 'scheduled'`,
  )
  const { text } = await site.get('/runs')
  expect(text).toMatch(/title="scheduled__2026-11-29T17:10:00.000Z"[^>]*>29 Nov 2020 17:10 UTC<.*· scheduled/)
  expect(text).toMatch(/before-<wbr\/>the-<wbr\/>move/)
})

describe('the totals of all dags', () => {
  const total = async (state: string) => {
    const { text } = await site.get('/dags')
    const [, href = '', count] =
      new RegExp(`id="total-${state}" href="([^"]+)".*?total-count">(?:<svg.*?</svg>)?(\\d+)`).exec(text) ?? []
    return { count: Number(count), listed: (await listed(href.replace('/runs', '').replaceAll('&amp;', '&'))).length }
  }

  test('link to lists with as many runs as they say', async () => {
    await place({ dagId: 'etl', runId: 'yesterday', state: 'failed', queued: 60, ended: 25 })
    for (const hours of [2, 23])
      await place({ dagId: 'etl', runId: `f${hours}`, state: 'failed', queued: 60, ended: hours })
    for (const n of [1, 2, 3]) await place({ dagId: 'gone', runId: `r${n}`, state: 'running', queued: 48 })
    await place({ dagId: 'yearly', runId: 'q', state: 'queued' })
    expect(await total('failed')).toEqual({ count: 2, listed: 2 })
    expect(await total('running')).toEqual({ count: 3, listed: 3 })
    expect(await total('queued')).toEqual({ count: 1, listed: 1 })
  })

  test('show the next run of each dag, earliest first', async () => {
    const { text } = await site.get('/dags')
    const next = [...text.matchAll(/id="next-\d+" href="\/dags\/(\w+)".*?datetime="([^"]+)"/g)]
    const times = next.map(([, , at = '']) => Date.parse(at))
    expect(next.map(([, dagId]) => dagId)).toEqual(['etl', 'yearly'])
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(times[0]).toBeGreaterThan(Date.now() - 60_000)
  })
})

test('the next runs of a paused dag are no longer shown', async () => {
  const shown = async () =>
    [...(await site.get('/dags')).text.matchAll(/id="next-\d+" href="\/dags\/(\w+)"/g)].map(([, id]) => id)
  expect([await shown(), await shown()]).toEqual(Array(2).fill(['etl', 'yearly']))
  await site.get('/dags/etl/pause', form({ paused: 'yes' }))
  expect(await shown()).toEqual(['yearly'])
  await site.get('/dags/etl/pause', form({ paused: 'no' }))
})

test('the health page never says that everything is healthy while a run of the last day has failed', async () => {
  await aJob(site.metadata)
  await place({ dagId: 'etl', runId: 'old', state: 'failed', ended: 25 })
  expect((await site.get('/status')).text).toContain('Everything is healthy.')
  await place({ dagId: 'etl', runId: 'new', state: 'failed', ended: 23 })
  const { text } = await site.get('/status')
  expect(text).not.toContain('Everything is healthy.')
  expect(text).toContain('1 run failed in the last 24 hours')
})

test.each([
  ['a type', { runType: 'manual' as const }],
  ['an end before all runs', { activeUntil: new Date('2010-01-01') }],
  ['a start after all runs', { activeSince: new Date('2030-01-01') }],
])('a filter that matches few of many runs does not read all of them: %s', async (_, filter) => {
  const id = await aRun(site.metadata, { dagId: 'etl', runId: 'first' })
  await database.pool.query(
    `insert into metadata.dag_run (dag_id, run_id, run_type, state, logical_date, data_interval_start,
       data_interval_end, conf, dag_version_id, queued_at, started_at, ended_at)
     select dag_id, 'run ' || n, 'scheduled', 'success', t, t, t, '{}', dag_version_id, t, t, t
     from metadata.dag_run, lateral (select n, timestamptz '2020-01-01' + n * interval '1 min' as t
       from generate_series(1, 20000) n) tick where dag_run_id = $1`,
    [id],
  )
  await database.pool.query('vacuum analyze metadata.dag_run')
  const plans: unknown[] = []
  const explained = {
    ...site.metadata,
    query: async (sql: string, values: unknown[]) => {
      plans.push((await database.pool.query(`explain (format json) ${sql}`, values)).rows)
      return { rows: [] }
    },
  } as unknown as Metadata
  await readRuns(explained, { dagId: null, limit: 51, ...filter })
  expect(JSON.stringify(plans)).toContain('dag_run_ranges')
})
