import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type LaunchLibraryServer,
  startLaunchLibrary,
} from '../../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import { type Running, startCli } from '../support/cli.ts'
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts'
import { launch230 } from '../support/launches.ts'
import { expectNothingRunning, PIPELINES } from './support.ts'

/** A second instead of twenty minutes. */
const QUOTA = { limit: 15, windowSeconds: 3 }
/** All launches ever: one in seven shares its net with the one before. */
const LAUNCHES = Array.from({ length: 7_500 }, (_, index) => {
  const days = 3 * (index - (index % 7 === 6 ? 1 : 0))
  const net = `${new Date(Date.UTC(1957, 9, 4 + days, 19, 28)).toISOString().slice(0, 19)}Z`
  return launch230({ id: `launch-${index}`, name: `Launch ${index}`, net, status: { id: 3, name: 'Success' } })
})

let database: TestDatabase
let library: LaunchLibraryServer
/** Every call that costs quota: the requested page and the status of its answer; 429 if the quota is used up. */
let calls: { page: string; status: number }[]
let onCall: (count: number) => void
beforeEach(async () => {
  database = await createEmptyDatabase()
  calls = []
  onCall = () => {}
  library = await startLaunchLibrary({ launches: () => [], archive: () => LAUNCHES, quota: QUOTA, intercept: observe })
})
afterEach(async () => {
  await library.close()
  await database.drop()
})

function observe(_: unknown, response: ServerResponse, { path, query }: LaunchLibraryServer['requests'][number]) {
  if (path.endsWith('/api-throttle/')) return false
  const call = { page: `${query.net__gte}/${query.offset}`, status: 0 }
  calls.push(call)
  response.on('close', () => {
    call.status = response.statusCode
  })
  onCall(calls.length)
  return false
}

function start(...args: string[]): Running {
  const env = { DATABASE_URL: database.connectionString, PIPELINES_DIR: PIPELINES, LAUNCH_LIBRARY_URL: library.url }
  return startCli(['pipeline', 'launch-history', ...args], { env })
}

const rows = async (sql: string) => (await database.pool.query(sql)).rows

test('loads all launches ever within the quota, each once, although the process is killed midway', async () => {
  const first = start()
  // Killed before the answer arrives: only this page is requested a second time.
  onCall = (count) => void (count === 31 && first.process.kill('SIGKILL'))
  expect((await first.ended).code).toBe(137)
  expect(await rows('select pages, launches, finished_at from rocket_launch_history')).toEqual([
    { pages: 30, launches: await count(), finished_at: null },
  ])

  const second = await start().ended
  expect(second.code).toBe(0)
  expect(second.stderr).toMatch(/^.*died; its runs are queued again.*\n$/)
  expect(second.stdout).toMatch(/continues after [\d,]+ of 7,500 launches \(30 of \d+ pages\)/)

  const stored = await rows('select launch_id from rocket_launches')
  expect(stored.map(({ launch_id: id }) => id).sort()).toEqual(LAUNCHES.map(({ id }) => id).sort())
  const [load] = await rows('select * from rocket_launch_history')
  expect(load).toMatchObject({ launches: 7_500, inserted: 7_500, updated: 0, unchanged: 0, rejected: 0 })

  expect(calls.filter(({ status }) => status !== 200)).toEqual([])
  expect(calls).toHaveLength(load.pages + 1)
  expect(new Set(calls.map(({ page }) => page)).size).toBe(load.pages)
  expect(load.pages).toBeGreaterThan(75)
  await expectNothingRunning(database.pool)
})

async function count(): Promise<number> {
  return (await rows('select count(*) from rocket_launches'))[0].count
}

test.each([
  ['{"from":"2020-02-30"}', "from: must be a date or an instant such as '2024-01-31' or '2024-01-31T12:00:00Z'"],
  ['{"from":"2021-01-01","to":"2020-01-01"}', 'from: must be before to'],
  ['{"until":"2020-01-01"}', "'launch-history' has no param until; it has from, to"],
])('params %s are refused', async (conf, message) => {
  const { code, stdout, stderr } = await start('--conf', conf).ended
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(message)
  expect(calls).toEqual([])
})
