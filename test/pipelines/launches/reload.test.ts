import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { initializeSchema } from '../../../pipelines/launches/initialize-schema.ts'
import { type Parsed, parseLaunch } from '../../../pipelines/launches/parse-launch.ts'
import { storePage } from '../../../pipelines/launches/store-page.ts'
import { type EmbeddedServer, openEmbedded } from '../../../src/db/embedded/embedded.ts'
import { type Database, openPool } from '../../../src/db/pool.ts'
import { launches230 } from '../../support/launches.ts'
import { quietLog } from '../../support/quiet-log.ts'
import { RECORDED, recorded, WITHOUT_RECORDED } from '../../support/recorded.ts'
import { removeFolder, scratchFolder } from '../../support/scratch.ts'

/** These tests have their own server, so that its log has no other writes. */
let dataDir: string
let server: EmbeddedServer
let pool: Database
beforeAll(async () => {
  dataDir = await scratchFolder()
  server = await openEmbedded({ dataDir, create: true, settings: { fsync: 'off', autovacuum: 'off' } })
  pool = openPool(server.connectionString)
  await initializeSchema({}, { db: pool, log: quietLog() })
})
afterAll(async () => {
  await pool.end()
  await server.release()
  await removeFolder(dataDir)
})
beforeEach(() => pool.query('truncate rocket_launches, rocket_launch_changes, rocket_launch_rejects'))

test('1,000 launches received again write nothing', async () => {
  const launches = launches230(1_000).map((launch) => parseLaunch('2.3.0', launch))
  const pages = Array.from({ length: 10 }, (_, page) => launches.slice(page * 100, page * 100 + 100))
  await expectNothingWritten(pages)
})

test.skipIf(!RECORDED)(`recorded launches too${RECORDED ? '' : ` (${WITHOUT_RECORDED})`}`, async () => {
  // Each launch once, as it was seen last: the answers are years apart, and of different versions.
  const last = new Map<unknown, Parsed>()
  for (const { version, launches } of recorded().filter(({ file }) => !file.includes('-list-')))
    for (const launch of launches) last.set(launch.id, parseLaunch(version, launch))
  await expectNothingWritten([[...last.values()]])
})

async function expectNothingWritten(pages: readonly Parsed[][]): Promise<void> {
  const count = pages.flat().length
  const first = await load(pages)
  expect(first.stored).toEqual({ inserted: count, unchanged: 0 })
  const [versions, tuples] = [await rowVersions(), await tuplesWritten()]
  expect(tuples).toMatchObject({ upd: 0, del: 0 })
  expect(tuples.ins).toBeGreaterThanOrEqual(count)

  const again = await load(pages)
  expect(again.stored).toEqual({ inserted: 0, unchanged: count })
  expect(await rowVersions()).toEqual(versions)
  expect(await tuplesWritten()).toEqual(tuples)
  expect(again.wal).toBeLessThan(first.wal / 100)
}

/** Uses its own connection, because Postgres updates the statistics when it closes. */
async function load(pages: readonly Parsed[][]) {
  const own = openPool(server.connectionString, { max: 1, applicationName: 'load' })
  const stored = { inserted: 0, unchanged: 0 }
  const start = await position()
  for (const page of pages) {
    const { inserted, unchanged } = await storePage(own, page, new Date('2026-01-15T00:00:00Z'))
    stored.inserted += inserted
    stored.unchanged += unchanged
  }
  const wal = (await position()) - start
  await own.end()
  return { stored, wal }
}

/** Of the write-ahead log, in bytes; that which is still in memory counts. */
async function position(): Promise<number> {
  const { rows } = await pool.query<{ at: number }>(
    `select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 as at`,
  )
  return rows[0]?.at ?? Number.NaN
}

async function rowVersions(): Promise<unknown[]> {
  const { rows } = await pool.query('select id, xmin::text, ctid::text from rocket_launches order by id')
  return rows
}

/** Since the tables were made. */
async function tuplesWritten(): Promise<Record<'ins' | 'upd' | 'del', number>> {
  for (;;) {
    const { rows } = await pool.query(`select from pg_stat_activity where application_name = 'load'`)
    if (rows.length === 0) break
  }
  const { rows } = await pool.query(
    `select sum(n_tup_ins)::int as ins, sum(n_tup_upd)::int as upd, sum(n_tup_del)::int as del
     from pg_stat_user_tables where relname in ('rocket_launches', 'rocket_launch_changes', 'rocket_launch_rejects')`,
  )
  return rows[0]
}
