import { afterAll, beforeAll, expect, test } from 'vitest'
import { useDatabase } from '../support/database.ts'
import { aRun } from '../support/factories.ts'
import { type OpenSite, openSite } from './site.ts'

const database = useDatabase()
let site: OpenSite
beforeAll(async () => {
  site = await openSite(database)
})
afterAll(() => site.close())

const page = async (path: string) => (await site.get(path)).text.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')

test('a run says since when it is late, and that it was stopped while its teardowns still run', async () => {
  const id = await aRun(site.metadata, { dagId: 'clusters', state: 'running', tasks: { drop: 'running' } })
  const before = await page('/dags/clusters/runs/run')
  expect(before).not.toMatch(/Stopped|Late since/)
  await site.metadata.query(
    `update metadata.dag_run set stop_reason = 'cancelled', late_at = '2026-01-02T03:04:05Z' where dag_run_id = $1`,
    [id],
  )
  const shown = await page('/dags/clusters/runs/run')
  expect(shown).toContain('Stopped: cancelled. The run ends after its teardowns. To end it now, cancel it again.')
  expect(shown).toContain('Late since 2026-01-02 03:04:05 UTC')
})
