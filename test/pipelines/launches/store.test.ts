import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { ApiVersion } from '../../../pipelines/launches/api-version.ts'
import { RECORDED_COLUMNS } from '../../../pipelines/launches/columns.ts'
import { parseLaunch } from '../../../pipelines/launches/parse-launch.ts'
import * as store from '../../../pipelines/launches/store.ts'
import { contentHash, type PageSummary, storePage } from '../../../pipelines/launches/store-page.ts'
import { recordAttempt } from '../../../pipelines/launches/sync.ts'
import { nearestLaunch } from '../../../pipelines/launches/upcoming.ts'
import type { Connection } from '../../../src/db/pool.ts'
import { createLaunchDatabase, useDatabase } from '../../support/database.ts'
import { launch230, launches230, parsed } from '../../support/launches.ts'
import { RECORDED, recorded, WITHOUT_RECORDED } from '../../support/recorded.ts'
import { WITHIN } from '../../support/within.ts'

const database = useDatabase(createLaunchDatabase)
beforeEach(() =>
  database.pool.query(
    'truncate rocket_launches, rocket_launch_changes, rocket_launch_rejects, rocket_launch_sync restart identity',
  ),
)

const NOW = new Date('2026-01-15T00:00:00Z')

function put(launches: unknown[], now = NOW, version: ApiVersion = '2.3.0'): Promise<PageSummary> {
  return storePage(
    database.pool,
    launches.map((launch) => parseLaunch(version, launch)),
    now,
  )
}

async function rows<R extends object>(text: string, values: unknown[] = []): Promise<R[]> {
  return (await database.pool.query<R & Record<string, unknown>>(text, values)).rows
}

const summary = (inserted: number, updated: number, unchanged: number, rejected = 0): PageSummary => ({
  inserted,
  updated,
  unchanged,
  rejected,
})

/** Other test files use the same server. */
const WAITING = `select count(*) from pg_locks
  where not granted and database = (select oid from pg_database where datname = current_database())`

describe('a page', () => {
  test('is stored completely, in types that a user can query', async () => {
    expect(await put([launch230()])).toEqual(summary(1, 0, 0))
    expect(await rows('select id, launch_id, name, net, image_url from rocket_launches')).toEqual([
      {
        id: 1,
        launch_id: '00000000-0000-4000-8000-000000000001',
        name: 'Falcon 9 Block 5 | Example',
        net: new Date('2026-02-01T10:30:00Z'),
        image_url: 'https://images.example/falcon.jpg',
      },
    ])
    const [row] = await rows<Record<string, unknown>>('select * from rocket_launches')
    expect(row).toMatchObject({
      details: launch230(),
      status_id: 1,
      net_precision: 1,
      latitude: 34.632,
      probability: 90,
      webcast_live: false,
      window_end: new Date('2026-02-01T14:30:00Z'),
      first_seen_at: NOW,
      updated_at: NOW,
    })
  })

  test('without changes writes no row', async () => {
    const page = launches230(100)
    expect(await put(page)).toEqual(summary(100, 0, 0))
    const before = await rows('select xmin::text, ctid::text, id from rocket_launches order by id')
    expect(await put(page, new Date('2026-01-16T00:00:00Z'))).toEqual(summary(0, 0, 100))
    expect(await rows('select xmin::text, ctid::text, id from rocket_launches order by id')).toEqual(before)
  })

  test('with some changes writes only these rows', async () => {
    const page = launches230(5)
    await put(page)
    const later = new Date('2026-01-16T00:00:00Z')
    const changed = [...page.slice(0, 3), { ...page[3], name: 'renamed' }, ...launches230(6).slice(4)]
    expect(await put(changed, later)).toEqual(summary(1, 1, 4))
    expect(await rows('select name from rocket_launches where updated_at = $1 order by id', [later])).toEqual([
      { name: 'renamed' },
      { name: 'Launch 6' },
    ])
    expect(await rows('select count(*) from rocket_launches where first_seen_at = $1', [NOW])).toEqual([{ count: 5 }])
  })

  test('with more launches than one statement takes is stored in several', async () => {
    expect(await put(launches230(store.BATCH * 2 + 3))).toEqual(summary(store.BATCH * 2 + 3, 0, 0))
  })

  test('with a duplicate keeps the last one', async () => {
    const page = [launch230({ name: 'first' }), launch230({ name: 'second' }), launch230({ name: 'last' })]
    expect(await put(page)).toEqual(summary(1, 0, 2))
    expect(await rows('select name from rocket_launches')).toEqual([{ name: 'last' }])
    expect(await put(page)).toEqual(summary(0, 0, 3))
  })

  test('without launches stores nothing', async () => expect(await put([])).toEqual(summary(0, 0, 0)))

  test('older than the stored rows changes nothing; one without a date does', async () => {
    await put([launch230({ name: 'newer', last_updated: '2026-01-10T12:00:00Z' })])
    expect(await put([launch230({ name: 'older', last_updated: '2026-01-10T11:59:59Z' })])).toEqual(summary(0, 0, 1))
    expect(await rows('select name from rocket_launches')).toEqual([{ name: 'newer' }])
    const stale = parsed(launch230({ last_updated: '2026-01-10T11:59:59Z' }))
    expect(
      (await store.compare(database.pool, [{ launch: stale, detailed: false, details: '', hash: 'other' }])).differing,
    ).toEqual(new Set())
    expect(await put([launch230({ name: 'undated', last_updated: undefined })])).toEqual(summary(0, 1, 0))
    expect(await put([launch230({ name: 'dated', last_updated: '2020-01-01T00:00:00Z' })])).toEqual(summary(0, 1, 0))
  })

  test('stored by several processes at once records each change once', async () => {
    const page = launches230(50)
    const first = await Promise.all(Array.from({ length: 6 }, () => put(page)))
    expect(first.reduce((sum, { inserted }) => sum + inserted, 0)).toBe(50)
    const slipped = launches230(50, { net: '2026-03-01T00:00:00Z' })
    const second = await Promise.all(Array.from({ length: 6 }, () => put(slipped)))
    expect(second.reduce((sum, { updated }) => sum + updated, 0)).toBe(50)
    expect(await rows(`select count(*) from rocket_launch_changes where field = 'net'`)).toEqual([{ count: 50 }])
  })

  test('waits for another process that stores, and compares with its result', async () => {
    const other = await database.pool.connect()
    try {
      await other.query('begin')
      await store.lockStore(other)
      const theirs = parsed(launch230({ name: 'theirs' }))
      await store.upsert(other, [{ launch: theirs, detailed: false, details: '{}', hash: 'theirs' }], NOW)
      const ours = put([launch230({ name: 'ours' })])
      await vi.waitFor(async () => expect(await rows(WAITING)).toEqual([{ count: 1 }]), WITHIN)
      await other.query('commit')
      expect(await ours).toEqual(summary(0, 1, 0))
    } finally {
      other.release()
    }
    expect(await rows('select old, new from rocket_launch_changes')).toEqual([{ old: 'theirs', new: 'ours' }])
  })

  test('keeps texts in any script and times of any year, and replaces what Postgres cannot store', async () => {
    const name = `Pléiades Néo — 長征 🚀 \r\n ' " \\ $1 ${'x'.repeat(10_000)}`
    await put([
      launch230({ name, net: '9999-12-31T23:59:59Z', window_start: '1900-01-01T00:00:00Z', slug: 'a\0b\uD800' }),
    ])
    expect(await rows('select name, net, window_start, slug, details from rocket_launches')).toMatchObject([
      {
        name,
        net: new Date('9999-12-31T23:59:59Z'),
        window_start: new Date('1900-01-01T00:00:00Z'),
        slug: 'a\uFFFDb\uFFFD',
        details: { slug: 'a\uFFFDb\uFFFD' },
      },
    ])
  })
})

describe('a rejected launch', () => {
  test('is stored with its issues, counted, and deleted when it can be parsed again', async () => {
    const page = launches230(3)
    const broken = { ...page[1], net: 'soon' }
    expect(await put([page[0], broken, page[2]])).toEqual(summary(2, 0, 0, 1))
    const later = new Date('2026-01-16T00:00:00Z')
    expect(await put([page[0], broken, page[2]], later)).toEqual(summary(0, 0, 2, 1))
    expect(await rows('select * from rocket_launch_rejects')).toEqual([
      {
        key: page[1]?.id,
        raw: broken,
        issues: [{ path: 'net', message: 'Invalid ISO datetime' }],
        first_seen: NOW,
        last_seen: later,
        count: 2,
      },
    ])
    expect(await put(page, later)).toEqual(summary(1, 0, 2))
    expect(await rows('select * from rocket_launch_rejects')).toEqual([])
  })

  test('does not change the stored row', async () => {
    await put([launch230()])
    expect(await put([launch230({ net: null })])).toEqual(summary(0, 0, 0, 1))
    expect(await rows('select net from rocket_launches')).toEqual([{ net: new Date('2026-02-01T10:30:00Z') }])
  })

  test('without an id is identified by its content', async () => {
    const page = [5, 'text', null, { name: 'a' }, { name: 'a' }, 'with \0']
    expect(await put(page)).toEqual(summary(0, 0, 0, 6))
    expect(await put(page)).toEqual(summary(0, 0, 0, 6))
    expect(await rows('select count from rocket_launch_rejects')).toEqual(
      Array.from({ length: 5 }, () => ({ count: 2 })),
    )
  })

  test('for Postgres alone loses no other launch', async () => {
    // What no check of ours foresees: here a limit that the database itself puts on a column.
    await database.pool.query(`alter table rocket_launches alter slug type varchar(100)`)
    try {
      const page = launches230(4)
      expect(await put([page[0], { ...page[1], slug: 'x'.repeat(101) }, page[2], { id: 'bad' }])).toEqual(
        summary(2, 0, 0, 2),
      )
      expect(await rows('select name from rocket_launches order by id')).toEqual([
        { name: 'Launch 1' },
        { name: 'Launch 3' },
      ])
      expect(await rows(`select issues from rocket_launch_rejects where key = $1`, [page[1]?.id])).toEqual([
        { issues: [{ path: '', message: expect.stringContaining('Postgres cannot store it: value too long') }] },
      ])
    } finally {
      await database.pool.query(`alter table rocket_launches alter slug type text`)
    }
  })
})

describe('what changed', () => {
  const changes = () => rows('select launch_id, field, old, new, seen_at from rocket_launch_changes order by id')

  test('is recorded column by column, in the transaction of the row', async () => {
    await put([launch230()])
    expect(await changes()).toEqual([])
    const later = new Date('2026-01-16T00:00:00Z')
    const launch_id = '00000000-0000-4000-8000-000000000001'
    await put(
      [
        launch230({
          net: '2026-02-02T10:30:00Z',
          status: { id: 5, name: 'On Hold' },
          slug: 'another',
          image: null,
          probability: null,
          webcast_live: true,
          last_updated: '2026-01-16T00:00:00Z',
        }),
      ],
      later,
    )
    const change = (field: string, old: string | null, value: string | null) => ({
      launch_id,
      field,
      old,
      new: value,
      seen_at: later,
    })
    expect(await changes()).toEqual([
      change('net', '2026-02-01T10:30:00Z', '2026-02-02T10:30:00Z'),
      change('status_id', '1', '5'),
      change('probability', '90', null),
      change('image_url', 'https://images.example/falcon.jpg', null),
      change('webcast_live', 'false', 'true'),
    ])
    expect(await rows(`select max(new::timestamptz) from rocket_launch_changes where field = 'net'`)).toEqual([
      { max: new Date('2026-02-02T10:30:00Z') },
    ])
  })

  test('of the record alone is no news', async () => {
    await put([launch230()])
    expect(await put([launch230({ last_updated: '2026-01-11T00:00:00Z', agency_launch_attempt_count: 9 })])).toEqual(
      summary(0, 1, 0),
    )
    expect(await changes()).toEqual([])
  })
})

describe('the nearest launch', () => {
  const at = (id: string, net: string, changes: Record<string, unknown> = {}) => launch230({ id, net, ...changes })
  const nearest = async () => (await nearestLaunch(database.pool, NOW))?.launch_id
  const precision = (id: number) => ({ net_precision: { id } })

  test('is not past, has not flown, and has a precise time, even if a placeholder is earlier', async () => {
    const past = at('past', '2026-01-14T23:59:59Z')
    const flown = [3, 4, 6, 7, 9].map((id) => at(`flown-${id}`, '2026-01-15T01:00:00Z', { status: { id, name: '' } }))
    const placeholder = at('month', '2026-01-31T00:00:00Z', precision(7))
    const day = at('day', '2026-01-20T00:00:00Z', precision(5))
    const precise = at('precise', '2026-02-20T10:00:00Z', precision(2))
    await put([past, ...flown, placeholder])
    expect(await nearest()).toBe('month')
    await put([day])
    expect(await nearest()).toBe('day')
    await put([precise, at('later', '2026-02-21T10:00:00Z', precision(0))])
    expect(await nearest()).toBe('precise')
    await put([at('now', NOW.toISOString(), { status: { id: 5, name: 'On Hold' } })])
    expect(await nearest()).toBe('now')
  })

  test('is nothing where none is known', async () => expect(await nearest()).toBeUndefined())

  test('comes with all that is known of it', async () => {
    await put([launch230()])
    const launch = await nearestLaunch(database.pool, NOW)
    const known = parsed(launch230())
    expect(launch).toEqual({ ...known, id: 1, first_seen_at: NOW, vanished_at: null, updated_at: NOW })
  })
})

describe('the links of the detailed mode', () => {
  const watch = 'https://video.example/live'
  const detailed = (changes = {}) => launch230({ vid_urls: [{ url: watch, priority: 1 }], info_urls: [], ...changes })
  const webcast = async () =>
    (await rows<{ webcast_url: string }>('select webcast_url from rocket_launches'))[0]?.webcast_url

  test('are kept after an equally old or newer answer in normal mode', async () => {
    await put([detailed()])
    expect(await put([launch230()])).toEqual(summary(0, 0, 1))
    expect(await webcast()).toBe(watch)
    expect(await put([launch230({ last_updated: '2026-01-11T00:00:00Z', name: 'renamed' })])).toEqual(summary(0, 1, 0))
    expect(await webcast()).toBe(watch)
    expect(await rows('select field from rocket_launch_changes')).toEqual([{ field: 'name' }])
  })

  test('are deleted when the detailed mode has none', async () => {
    await put([launch230()])
    expect(await put([detailed()])).toEqual(summary(0, 1, 0))
    expect(await webcast()).toBe(watch)
    expect(await put([detailed({ vid_urls: [] })])).toEqual(summary(0, 1, 0))
    expect(await webcast()).toBeNull()
  })
})

describe('a write alongside a page', () => {
  const along = (name: string) => ({
    alongside: async (connection: Connection) => {
      await recordAttempt(connection, name, NOW)
    },
  })
  const page = (launches: unknown[]) => launches.map((launch) => parseLaunch('2.3.0', launch))

  test('is in the same transaction, even if no launch differs', async () => {
    await storePage(database.pool, page([launch230()]), NOW, along('first'))
    await storePage(database.pool, page([launch230()]), NOW, along('second'))
    await storePage(database.pool, [], NOW, along('third'))
    expect(await rows('select source from rocket_launch_sync order by 1')).toEqual([
      { source: 'first' },
      { source: 'second' },
      { source: 'third' },
    ])
  })

  test('rolls the page back if it fails', async () => {
    const alongside = () => Promise.reject(new Error('no'))
    await expect(storePage(database.pool, page([launch230()]), NOW, { alongside })).rejects.toThrow('no')
    expect(await rows('select from rocket_launches')).toEqual([])
  })
})

describe.skipIf(!RECORDED)(`recorded answers${RECORDED ? '' : ` (${WITHOUT_RECORDED})`}`, () => {
  const all = () => recorded().filter(({ file }) => !file.includes('-list-'))

  test('of all versions are stored, each launch once, as received', async () => {
    const last = new Map<unknown, Record<string, unknown>>()
    const updated = (launch: Record<string, unknown> | undefined) => String(launch?.last_updated ?? '9')
    for (const { file, version, launches } of all()) {
      const counts = await put(launches, NOW, version)
      expect(counts.rejected, file).toBe(0)
      expect(counts.inserted + counts.updated + counts.unchanged).toBe(launches.length)
      for (const launch of launches) {
        const before = last.get(launch.id)
        const stale = before?.last_updated && launch.last_updated && updated(launch) < updated(before)
        if (!stale) last.set(launch.id, launch)
      }
    }
    const stored = await rows<{ launch_id: string; details: unknown }>('select launch_id, details from rocket_launches')
    expect(stored.length).toBe(last.size)
    for (const { launch_id, details } of stored) expect(details).toEqual(last.get(launch_id))
  })

  test('of a series leave the rows of the last snapshots and the changes between them', async () => {
    const expected: unknown[] = []
    const known = new Map<string, ReturnType<typeof factsOf>>()
    for (const { version, launches } of recorded('series-2.2.0-kohld-zenith')) {
      await put(launches, NOW, version)
      for (const launch of launches) {
        const facts = factsOf(launch)
        const before = known.get(facts.id)
        known.set(facts.id, facts)
        for (const field of ['name', 'net', 'status_id', 'net_precision', 'image_url'] as const)
          if (before && before[field] !== facts[field])
            expected.push({ launch_id: facts.id, field, old: before[field], new: facts[field] })
      }
    }
    expect(expected.length).toBeGreaterThan(10)
    const order = (changes: unknown[]) => changes.map((change) => JSON.stringify(change)).sort()
    const found = await rows(
      `select launch_id, field, old, new from rocket_launch_changes
       where field in ('name', 'net', 'status_id', 'net_precision', 'image_url')`,
    )
    expect(order(found)).toEqual(order(expected))
    const stored = await rows(
      'select launch_id as id, name, image_url, status_id::text, net_precision::text from rocket_launches',
    )
    expect(order(stored)).toEqual(order([...known.values()].map(({ net: _, ...facts }) => facts)))
  })

  /** Written without a look at the code under test. */
  function factsOf(launch: Record<string, unknown>) {
    const { id, name, image, status, net_precision, net } = launch as {
      id: string
      name: string
      image: string | null
      net: string
      status: { id: number }
      net_precision: { id: number }
    }
    return { id, name, image_url: image, status_id: String(status.id), net_precision: String(net_precision.id), net }
  }
})

test('hashes of different contents differ, and recorded columns exist', async () => {
  expect(contentHash('{"a":1}')).toMatch(/^[0-9a-f]{32}$/)
  expect(contentHash('{"a":1}')).not.toBe(contentHash('{"a":2}'))
  const columns = await rows<{ name: string }>(
    `select attname as name from pg_attribute where attrelid = 'rocket_launches'::regclass and attnum > 0`,
  )
  expect(columns.map(({ name }) => name)).toEqual(expect.arrayContaining([...RECORDED_COLUMNS]))
})
