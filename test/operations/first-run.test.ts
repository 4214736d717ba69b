import { afterEach, beforeAll, expect, test } from 'vitest'
import { dag } from '../../src/dag/dag.ts'
import { type Metadata, openMetadata } from '../../src/metadata/metadata.ts'
import { enqueueFirstRun } from '../../src/operations/first-run.ts'
import { useDatabase } from '../support/database.ts'
import { aRun } from '../support/factories.ts'

const NOW = new Date('2026-11-21T09:03:00Z')
const database = useDatabase()
let metadata: Metadata
beforeAll(() => {
  metadata = openMetadata(database.pool, 'metadata')
})
afterEach(() => database.pool.query('truncate metadata.dag cascade'))

const often = dag('often', { schedule: '*/5 * * * *' }, ({ task }) => void task('read', { run: async () => {} }))

async function runs(): Promise<unknown[]> {
  const { rows } = await database.pool.query('select run_id, run_type, state from metadata.dag_run')
  return rows
}

test('a dag that never ran gets one run, also from two processes at once', async () => {
  const queued = await Promise.all([enqueueFirstRun(metadata, often, NOW), enqueueFirstRun(metadata, often, NOW)])
  expect(queued.sort()).toEqual([false, true])
  expect(await runs()).toEqual([{ run_id: 'first_start', run_type: 'manual', state: 'queued' }])
  expect(await enqueueFirstRun(metadata, often, NOW)).toBe(false)
})

test('a dag that ran before gets none', async () => {
  await aRun(metadata, { dagId: 'often', state: 'failed' })
  expect(await enqueueFirstRun(metadata, often, NOW)).toBe(false)
  expect(await runs()).toHaveLength(1)
})

test('a paused dag gets none', async () => {
  await aRun(metadata, { dagId: 'often', state: 'success' })
  await database.pool.query('update metadata.dag set is_paused = true')
  await database.pool.query('delete from metadata.dag_run')
  expect(await enqueueFirstRun(metadata, often, NOW)).toBe(false)
  expect(await runs()).toEqual([])
})
