import { readdirSync } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import type { ApiVersion } from '../../../pipelines/launches/api-version.ts'
import { parseLaunch } from '../../../pipelines/launches/parse-launch.ts'
import { type PageSummary, storePage } from '../../../pipelines/launches/store-page.ts'
import { createLaunchDatabase, useDatabase } from '../../support/database.ts'
import { factsIn, type RawLaunch } from '../../support/raw-facts.ts'
import { RECORDED, recorded, WITHOUT_RECORDED } from '../../support/recorded.ts'

const database = useDatabase(createLaunchDatabase)
const empty = () =>
  database.pool.query('truncate rocket_launches, rocket_launch_changes, rocket_launch_rejects restart identity')
beforeEach(empty)

const SERIES = ['series-2.0.0-multipolygon', 'series-2.2.0-eclectic-sailor', 'series-2.2.0-kohld-zenith']

describe.skipIf(!RECORDED)(`recorded answers${RECORDED ? '' : ` (${WITHOUT_RECORDED})`}`, () => {
  test('of all versions load without a reject, except those of list mode', async () => {
    const rejected: Record<string, number> = {}
    const versions = new Set<ApiVersion>()
    for (const { file, version, launches } of recorded()) {
      await empty()
      versions.add(version)
      const stored = await put(version, launches, new Date())
      if (stored.rejected > 0) rejected[file] = stored.rejected
      else expect([file, stored.inserted]).toEqual([file, launches.length])
      expect(await detailsStored()).toEqual(stored.rejected > 0 ? {} : detailsIn(launches))
    }
    expect(versions.size).toBe(3)
    // mode=list has texts where the others have objects: no pad, no provider, no picture to be had.
    expect(rejected).toEqual({ 'v2.2.0-upcoming-list-aarlert-1.json': 10 })
  })

  test('in list mode are rejected with advice', async () => {
    const [file] = recorded('-list-')
    await put('2.2.0', file?.launches ?? [], new Date())
    const { rows } = await database.pool.query<{ issues: unknown }>('select issues from rocket_launch_rejects')
    expect(rows).toHaveLength(10)
    for (const { issues } of rows)
      expect(issues).toEqual([{ path: 'mode', message: expect.stringMatching(/^Wrong mode: .*remove mode/) }])
  })

  test.each(SERIES)('of %s end with the same rows as the last states alone', async (series) => {
    const last = new Map<unknown, RawLaunch>()
    for (const [index, { version, launches }] of recorded(series).entries()) {
      await put(version, launches, hour(index))
      for (const launch of launches) last.set(launch.id, launch)
    }
    const whole = await finalRows()
    await empty()
    await put(recorded(series)[0]?.version as ApiVersion, [...last.values()], hour(0))
    expect(whole).toEqual(await finalRows())
    expect(whole).toHaveLength(last.size)
  })

  test.each(SERIES)('of %s record the changes of the raw JSON', async (series) => {
    const known = new Map<unknown, Record<string, string | null>>()
    const expected: Change[] = []
    for (const [index, { version, launches }] of recorded(series).entries()) {
      await put(version, launches, hour(index))
      for (const launch of launches) {
        const before = known.get(launch.id)
        const facts = factsIn(version, launch, before)
        known.set(launch.id, facts)
        for (const [field, value] of Object.entries(facts))
          if (before !== undefined && before[field] !== value)
            expected.push({ launch_id: launch.id, field, old: before[field] ?? null, new: value, seen_at: hour(index) })
      }
    }
    const { rows } = await database.pool.query('select launch_id, field, old, new, seen_at from rocket_launch_changes')
    expect(inOrder(rows)).toEqual(inOrder(expected))
    expect(expected.length).toBeGreaterThan(series.includes('2.0.0') ? 5 : 50)
  })

  test('cover all recorded series', () => {
    const folders = readdirSync(new URL('../../../../shared/data/ll2-recorded', import.meta.url))
    expect(folders.filter((name) => name.startsWith('series-')).sort()).toEqual(SERIES)
  })
})

interface Change {
  launch_id: unknown
  field: string
  old: string | null
  new: string | null
  seen_at: Date
}

function put(version: ApiVersion, launches: readonly unknown[], now: Date): Promise<PageSummary> {
  return storePage(
    database.pool,
    launches.map((launch) => parseLaunch(version, launch)),
    now,
  )
}

const hour = (index: number) => new Date(Date.UTC(2026, 0, 1, index))

async function detailsStored(): Promise<Record<string, unknown>> {
  const { rows } = await database.pool.query<{ launch_id: string; details: unknown }>(
    'select launch_id, details from rocket_launches',
  )
  return Object.fromEntries(rows.map(({ launch_id, details }) => [launch_id, details]))
}

function detailsIn(launches: readonly RawLaunch[]): Record<string, unknown> {
  return Object.fromEntries(launches.map((launch) => [launch.id, launch]))
}

/** Without the columns that depend on when and in which order rows were stored. */
async function finalRows(): Promise<Record<string, unknown>[]> {
  const { rows } = await database.pool.query<Record<string, unknown>>(
    'select * from rocket_launches order by launch_id',
  )
  return rows.map(({ id: _, first_seen_at: __, updated_at: ___, ...row }) => row)
}

function inOrder(changes: readonly Change[]): Change[] {
  const key = (change: Change) => JSON.stringify([change.seen_at, change.launch_id, change.field])
  return [...changes].sort((a, b) => (key(a) < key(b) ? -1 : 1))
}
