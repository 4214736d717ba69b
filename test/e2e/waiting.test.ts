import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { PIPELINES as FIXTURE_PIPELINES, type Running, startCli } from '../support/cli.ts'
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts'
import { WITHIN } from '../support/within.ts'
import { expectNothingRunning } from './support.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await createEmptyDatabase()
})
afterEach(() => database.drop())

/** A run of a dag that allows one run at once, and whose task runs until it is stopped. */
function start(): Running {
  const env = {
    DATABASE_URL: database.connectionString,
    PIPELINES_DIR: join(FIXTURE_PIPELINES, '../waiting-pipelines'),
  }
  return startCli(['pipeline', 'waiting'], { env })
}

const saying = (running: Running, text: string) => vi.waitFor(() => expect(running.stdout()).toContain(text), WITHIN)

async function interrupted(running: Running): Promise<void> {
  const asked = Date.now()
  running.process.kill('SIGINT')
  const { code, stdout, stderr } = await running.ended
  expect([code, stderr]).toEqual([130, ''])
  expect(stdout).toMatch(/\n✖ run failed in .*interrupted\n$/)
  expect(Date.now() - asked).toBeLessThan(5_000)
}

test('Ctrl-C ends a run that waits for another one', async () => {
  const first = start()
  await saying(first, 'wait: waiting, try 1')
  const second = start()
  await saying(second, 'waiting for another run to end: this dag allows 1 at once\n')
  expect(second.stdout()).not.toContain('running')
  await interrupted(second)
  await interrupted(first)
  await expectNothingRunning(database.pool)
})

test('a run that waits for another one begins when that one ends', async () => {
  const first = start()
  await saying(first, 'wait: waiting, try 1')
  const second = start()
  await saying(second, 'waiting for another run to end')
  await interrupted(first)
  await saying(second, 'wait: waiting, try 1')
  await interrupted(second)
  await expectNothingRunning(database.pool)
})
