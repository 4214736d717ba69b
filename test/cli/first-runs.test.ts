import { expect, onTestFinished, test } from 'vitest'
import type { Setup } from '../../src/app.ts'
import { queueFirstRuns } from '../../src/cli/first-runs.ts'
import { dag } from '../../src/dag/dag.ts'
import { openPool } from '../../src/db/pool.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'

test('a stop ends the wait for a database that is away', { timeout: 20_000 }, async () => {
  const nothingListens = openPool('postgresql://tminus@127.0.0.1:1/tminus', { max: 1 })
  onTestFinished(() => nothingListens.end())
  const commands = () => Promise.resolve({ register: () => {}, runsAtFirstStart: true })
  const often = dag('often', { schedule: '*/5 * * * *', commands }, ({ task }) => void task('read', { run: () => {} }))
  const errors: unknown[] = []
  const setup = {
    loaded: { dags: new Map([[often.id, often]]) },
    clock: { now: () => new Date('2026-11-21T09:03:00Z') },
    log: { error: (fields: unknown) => errors.push(fields) },
  }
  await queueFirstRuns(openMetadata(nothingListens, 'metadata'), setup as unknown as Setup, AbortSignal.timeout(300))
  expect(errors).toEqual([expect.objectContaining({ dag_id: 'often' })])
})
