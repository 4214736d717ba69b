import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { type Running, startCli } from '../support/cli.ts'
import { serverPid, withFolder } from '../support/scratch.ts'
import { WITHIN } from '../support/within.ts'

const SCHEDULED = fileURLToPath(new URL('../fixtures/scheduled-pipelines', import.meta.url))

/** A `scheduler` whose embedded server was killed, and which cannot start it again until `mend`. */
async function withServerDown(work: (scheduler: Running, mend: () => Promise<void>) => Promise<void>): Promise<void> {
  await withFolder(async (dataDir) => {
    const env = { DATA_DIR: dataDir, PIPELINES_DIR: SCHEDULED, LOG_FORMAT: 'json' }
    const scheduler = startCli(['scheduler'], { env })
    await vi.waitFor(() => expect(scheduler.stdout()).toContain('"run success"'), WITHIN)
    const folder = join(dataDir, 'postgres')
    const configuration = join(folder, 'data', 'postgresql.conf')
    const right = await readFile(configuration, 'utf8')
    await appendFile(configuration, 'nonsense\n')
    process.kill(serverPid(folder), 'SIGKILL')
    await vi.waitFor(() => expect(scheduler.stdout()).toContain('the embedded database is down'), WITHIN)
    await work(scheduler, () => writeFile(configuration, right))
  })
}

const count = (text: string, part: string) => text.split(part).length - 1

test('the scheduler continues once the embedded server can start again', () =>
  withServerDown(async (scheduler, mend) => {
    expect(scheduler.stdout()).toMatch(/the embedded database is down; restarting it until it runs: .*contains errors/)
    expect(count(scheduler.stdout(), 'the embedded database is down')).toBe(1)
    // The scheduler checks once a second.
    await vi.waitFor(() => expect(scheduler.stdout()).toContain('the scheduler could not queue the due runs'), WITHIN)
    await mend()
    await vi.waitFor(() => expect(scheduler.stdout()).toContain('"the embedded database is running again"'), WITHIN)
    expect(count(scheduler.stdout(), '"stack"')).toBe(0)
    expect(count(scheduler.stdout(), 'the scheduler could not queue the due runs')).toBe(1)
    const before = count(scheduler.stdout(), '"run success"')
    await vi.waitFor(() => expect(count(scheduler.stdout(), '"run success"')).toBeGreaterThan(before), WITHIN)
    scheduler.process.kill('SIGTERM')
    expect(await scheduler.ended).toMatchObject({ code: 0, stderr: '' })
  }))

test('SIGTERM ends a scheduler whose embedded server is down', () =>
  withServerDown(async (scheduler) => {
    const began = Date.now()
    scheduler.process.kill('SIGTERM')
    const { stderr } = await scheduler.ended
    expect(stderr).toBe('')
    expect(Date.now() - began).toBeLessThan(40_000)
  }))
