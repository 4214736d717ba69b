import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseLaunch } from '../../../pipelines/launches/parse-launch.ts'
import { storePage } from '../../../pipelines/launches/store-page.ts'
import { sampleLaunches } from '../../../pipelines/rocket-launches/demo/launches.ts'
import { createLaunchDatabase, useDatabase } from '../../support/database.ts'

const database = useDatabase(createLaunchDatabase)
beforeAll(async () => {
  const now = new Date()
  const sample = sampleLaunches(now)
  const later = sample.map((launch) => ({ ...launch, net: new Date(Date.parse(launch.net) + 3_600_000).toISOString() }))
  for (const page of [sample, later])
    await storePage(
      database.pool,
      page.map((launch) => parseLaunch('2.3.0', launch)),
      now,
    )
})

const query = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows

describe('the queries of docs/launches.md', () => {
  const docs = readFileSync(new URL('../../../docs/launches.md', import.meta.url), 'utf8')
  const queries = [...docs.matchAll(/```sql\n(.*?)```/gs)].map(([, sql = '']) => sql)
  test('are found', () => expect(queries.length).toBeGreaterThan(5))
  test.each(queries)('%s', async (sql) => {
    expect((await query(sql)).length).toBeGreaterThan(0)
  })
})

describe('upcoming_launches', () => {
  test('has the upcoming launches, nearest first, with the precision in words', async () => {
    const rows = await query('select * from upcoming_launches')
    const expected = await query(
      `select id from rocket_launches where net > now() and status_id not in (3, 4, 6, 7, 9) order by net, launch_id`,
    )
    expect(rows.map((row) => row.id)).toEqual(expected.map((row) => row.id))
    expect(rows.length).toBeGreaterThan(20)
    expect(new Set(rows.map((row) => row.net_precision))).toContain('month')
    for (const row of rows) expect(row.net_precision).toEqual(expect.any(String))
  })

  test('has no past, flown or vanished launch and no row without launch_id', async () => {
    const [first, second, third, fourth, fifth] = await query('select id from upcoming_launches limit 5')
    await query(`update rocket_launches set net = now() - interval '1 minute' where id = $1`, [first.id])
    await query('update rocket_launches set status_id = 6 where id = $1', [second.id])
    await query('update rocket_launches set vanished_at = now() where id = $1', [third.id])
    await query('update rocket_launches set status_id = null, net_precision = null where id = $1', [fourth.id])
    const rows = await query('select id from upcoming_launches limit 2')
    expect(rows).toEqual([{ id: fourth.id }, { id: fifth.id }])
  })
})

test('launch_slips counts moves to later; the total includes all moves', async () => {
  await query('truncate rocket_launch_changes')
  const [launch] = await query('select launch_id, name from rocket_launches limit 1')
  const insert = `insert into rocket_launch_changes (launch_id, field, old, new, seen_at)
    values ($1, 'net', $2, $3, $4), ($1, 'window_start', $2, $3, $4)`
  const moves = [
    [launch.launch_id, '2026-01-01T00:00:00Z', '2026-01-03T00:00:00Z', '2025-12-01T00:00:00Z'],
    [launch.launch_id, '2026-01-03T00:00:00Z', '2026-01-05T00:00:00Z', '2025-12-02T00:00:00Z'],
    [launch.launch_id, '2026-01-05T00:00:00Z', '2026-01-04T12:00:00Z', '2025-12-03T00:00:00Z'],
    ['not stored', '2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z', '2025-12-03T00:00:00Z'],
    // Written in a way Postgres cannot read.
    ['misdated', '0000-01-01T00:00:00Z', '+010000-01-01T00:00:00Z', '2025-12-03T00:00:00Z'],
    ['misdated', '2026-01-02T00:00:00Z', null, '2025-12-03T00:00:00Z'],
  ]
  for (const move of moves) await query(insert, move)
  const seen = { first_net: new Date('2026-01-01T00:00:00Z'), last_net: new Date('2026-01-04T12:00:00Z') }
  const rows = await query('select * from launch_slips order by slips desc')
  expect(rows).toEqual([
    {
      ...launch,
      ...seen,
      slips: 2,
      total_slip: expect.objectContaining({ days: 3, hours: 12 }),
      last_slip_at: new Date('2025-12-02T00:00:00Z'),
    },
    expect.objectContaining({ launch_id: 'not stored', name: null, slips: 0, last_slip_at: null }),
  ])
})
