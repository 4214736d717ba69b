import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { initializeSchema } from '../../../pipelines/rocket-launches/initialize-schema.ts'
import { openLaunchLibrary } from '../../../pipelines/rocket-launches/launch-library.ts'
import { type BudgetOptions, openBudget, QuotaSpent } from '../../../pipelines/rocket-launches/quota.ts'
import {
  type LaunchLibraryOptions,
  startLaunchLibrary,
} from '../../../pipelines/rocket-launches/sample/launch-library-server.ts'
import { openHttp } from '../../../src/connectors/http.ts'
import { createEmptyDatabase, type TestDatabase } from '../../support/database.ts'

let database: TestDatabase
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const http = openHttp({ userAgent: 'tminus-test/1' })
const closing: (() => unknown)[] = []

beforeAll(async () => {
  database = await createEmptyDatabase()
  await initializeSchema({}, { db: database.pool, log })
})
afterAll(async () => {
  await http.close()
  await database.drop()
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await database.pool.query('delete from launch_library_quota')
})

async function serve(options: LaunchLibraryOptions = {}) {
  const server = await startLaunchLibrary(options)
  closing.push(server.close)
  const budget = (given: Partial<BudgetOptions> = {}) =>
    openBudget({
      db: database.pool,
      http,
      baseUrl: server.url,
      token: undefined,
      signal: new AbortController().signal,
      now: () => new Date(),
      log,
      ...given,
    })
  const library = (given: Partial<BudgetOptions> = {}) =>
    openLaunchLibrary({
      http,
      baseUrl: server.url,
      token: given.token,
      signal: new AbortController().signal,
      budget: budget(given),
    })
  return { ...server, budget, library }
}

describe('a budget', () => {
  test('gives what the limit leaves beyond the reserve, then says until when', async () => {
    const { library, requests } = await serve({ quota: { limit: 15, windowSeconds: 3600 } })
    const { previous } = library()
    for (let call = 0; call < 12; call++) await previous()
    const before = Date.now()
    const error = await previous().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(QuotaSpent)
    const { until } = error as QuotaSpent
    expect(until.getTime()).toBeGreaterThan(before)
    expect(until.getTime()).toBeLessThan(before + 3_602_000)
    expect(requests.filter(({ path }) => !path.endsWith('/api-throttle/'))).toHaveLength(12)
  })
})
