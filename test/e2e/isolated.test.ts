import { expect, test, vi } from 'vitest'
import { loadDags } from '../../src/load-dags.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { enqueue } from '../../src/operations/trigger.ts'
import { type Running, runCli, startCli } from '../support/cli.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { hasGroup, ISOLATED_PIPELINES } from '../support/isolated.ts'
import { withFolder } from '../support/scratch.ts'
import { WITHIN } from '../support/within.ts'

const ENV = { PIPELINES_DIR: ISOLATED_PIPELINES, LOG_FORMAT: 'json' }

async function queue({ pool }: TestDatabase, dagId: string, conf: Record<string, unknown>): Promise<string> {
  const dag = (await loadDags(ISOLATED_PIPELINES)).dags.get(dagId)
  if (dag === undefined) throw new Error(`no dag '${dagId}'`)
  return (await enqueue(openMetadata(pool, 'metadata'), dag, { logicalDate: new Date(), conf })).runId
}

async function childOf(running: Running): Promise<number> {
  await vi.waitFor(() => expect(running.stdout()).toMatch(/"pid \d+"/), WITHIN)
  return Number(/"pid (\d+)"/.exec(running.stdout())?.[1])
}

test('while an isolated task computes, the process answers; the task fails at its limit; a second SIGTERM leaves no child', async () => {
  const database = await createDatabase()
  const running = startCli(['start'], { env: { ...ENV, DATABASE_URL: database.connectionString } })
  try {
    const busy = await queue(database, 'limited', { how: 'busy' })
    const child = await childOf(running)
    const origin = /http:\/\/[\d.:]+/.exec(running.stdout())?.[0]
    const times: number[] = []
    for (;;) {
      const began = performance.now()
      expect((await fetch(`${origin}/health/live`)).status).toBe(200)
      times.push(performance.now() - began)
      const { rows } = await database.pool.query('select state, reason from metadata.dag_run where run_id = $1', [busy])
      if (rows[0].state === 'running') continue
      expect(rows).toEqual([{ state: 'failed', reason: 'act failed: took longer than its execution timeout of 1 s' }])
      break
    }
    expect(Math.max(...times)).toBeLessThan(2_000)
    await expect.poll(() => hasGroup(child)).toBe(false)

    const before = running.stdout().length
    await queue(database, 'careless', { how: 'forever' })
    await vi.waitFor(() => expect(running.stdout().slice(before)).toMatch(/"pid \d+"/), WITHIN)
    const last = Number(/"pid (\d+)"/.exec(running.stdout().slice(before))?.[1])
    expect(hasGroup(last)).toBe(true)
    running.process.kill('SIGTERM')
    await vi.waitFor(() => expect(running.stdout()).toContain('a second signal ends at once'), WITHIN)
    running.process.kill('SIGTERM')
    await running.ended
    await expect.poll(() => hasGroup(last)).toBe(false)
  } finally {
    running.process.kill('SIGKILL')
    await running.ended
    await database.drop()
  }
})

test('pipeline and dags test run isolated tasks on the embedded database', () =>
  withFolder(async (folder) => {
    const env = { ...ENV, DATA_DIR: folder }
    const run = await runCli(['pipeline', 'careless', '--json'], { env })
    expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining('"state": "success"') })
    const failing = await runCli(['dags', 'test', 'careless', '--conf', '{"how":"kill"}'], { env })
    expect(failing.code).toBe(1)
    expect(failing.stdout.match(/act +running/g)).toHaveLength(1)
    expect(failing.stdout).toContain('its process was killed by SIGKILL')
  }))
