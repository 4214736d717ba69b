import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type LaunchLibraryServer,
  startLaunchLibrary,
} from '../../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import { runCli } from '../support/cli.ts'
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts'
import { sendJson } from '../support/http-server.ts'
import { launches230 } from '../support/launches.ts'

/** Launches of February, which are upcoming for one pipeline and previous for the other. */
const CLOCKS = { 'rocket-launches': '2026-01-15T00:00:00Z', 'launch-history': '2026-03-15T00:00:00Z' }
const PIPELINES = ['rocket-launches', 'launch-history'] as const
const LAUNCHES = launches230(250)

let database: TestDatabase
let library: LaunchLibraryServer
/** Placeholder for the address of the next page. */
let nextOf: (next: string) => string | null
beforeEach(async () => {
  nextOf = (next) => next
  database = await createEmptyDatabase()
  library = await startLaunchLibrary({
    launches: () => LAUNCHES,
    now: () => new Date(CLOCKS['launch-history']),
    intercept: (_, response, { path, query }) => {
      if (!path.includes('/launches/') || query.id !== undefined) return false
      const from = Date.parse(query.net__gte ?? '1900-01-01')
      const rest = LAUNCHES.filter(({ net }) => Date.parse(String(net)) >= from)
      const offset = Number(query.offset ?? 0)
      const next =
        offset + 100 < rest.length
          ? nextOf(`${library.url}${path.slice('/2.3.0'.length)}?offset=${offset + 100}`)
          : null
      sendJson(response, { count: rest.length, next, results: rest.slice(offset, offset + 100) })
      return true
    },
  })
})
afterEach(async () => {
  await library.close()
  await database.drop()
})

async function run(pipeline: (typeof PIPELINES)[number], clock = CLOCKS[pipeline]) {
  const env = {
    PIPELINES_DIR: fileURLToPath(new URL('../../pipelines', import.meta.url)),
    CLOCK: clock,
    DATABASE_URL: database.connectionString,
    LAUNCH_LIBRARY_URL: library.url,
  }
  return await runCli(['pipeline', pipeline], { env })
}

async function stored() {
  const { rows } = await database.pool.query(
    'select count(*)::int as all, count(vanished_at)::int as vanished from rocket_launches',
  )
  return rows[0]
}

describe.each(PIPELINES)('%s, with a cache in front of Launch Library', (pipeline) => {
  test.each([
    ['names another host', (next: string) => next.replace(/\/\/[^/]+/, '//ll.example')],
    ['leaves out the port', (next: string) => next.replace(/:\d+/, '')],
  ])('that %s, reads the whole list', async (_, named) => {
    nextOf = named
    const { code, stderr } = await run(pipeline)
    expect([code, stderr, await stored()]).toEqual([0, '', { all: 250, vanished: 0 }])
  })

  test('that names another path, makes the run fail with 1 and keeps the first page', async () => {
    nextOf = (next) => next.replace('/2.3.0/', '/cached/')
    const { code, stdout } = await run(pipeline)
    expect([code, await stored()]).toEqual([1, { all: 100, vanished: 0 }])
    expect(stdout).toContain('has another path, so it is not followed; check LAUNCH_LIBRARY_URL')
  })

  test('that omits pages, marks no launch as gone', async () => {
    await run(pipeline)
    expect(await stored()).toEqual({ all: 250, vanished: 0 })
    nextOf = () => null
    const { stdout } = await run(pipeline, CLOCKS[pipeline].replace('-15T', '-16T'))
    expect(await stored()).toEqual({ all: 250, vanished: 0 })
    expect(stdout).toContain('ended after 100 of 250 launches')
  })
})
