import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { printed, runCli, startCli } from '../support/cli.ts'
import { isPostgres, serverPid } from '../support/scratch.ts'
import { mayMount, withSmallDisk } from '../support/small-disk.ts'
import { WITHIN } from '../support/within.ts'

const SCHEDULED = fileURLToPath(new URL('../fixtures/scheduled-pipelines', import.meta.url))

test.runIf(mayMount)(
  'a full disk: not healthy but alive, db check fails, and all goes on once it is freed (needs root and mount)',
  () =>
    withSmallDisk(160, async (disk) => {
      const env = { DATA_DIR: join(disk.folder, '.data'), PIPELINES_DIR: SCHEDULED, LOG_FORMAT: 'json' }
      const scheduler = startCli(['scheduler'], { env })
      const url = await printed(scheduler, () => /health at (http:\S+)\/health/.exec(scheduler.stdout())?.[1])
      await printed(scheduler, () => scheduler.stdout().includes('"run success"'))
      const statusOf = async (path: string) => (await fetch(`${url}${path}`)).status
      await vi.waitFor(async () => expect(await statusOf('/health')).toBe(200), WITHIN)

      disk.fill()
      await vi.waitFor(async () => expect(await statusOf('/health')).toBe(503), WITHIN)
      expect(await (await fetch(`${url}/health`)).json()).toMatchObject({
        database: { status: 'unhealthy', reason: expect.stringMatching(/disk is full.*No space left on device/) },
      })
      expect(await statusOf('/health/live')).toBe(200)
      const check = await runCli(['db', 'check'], { env })
      expect([check.code, check.stdout]).toEqual([
        1,
        expect.stringMatching(/^fail +writes +the database's disk is full/m),
      ])
      const jobs = await runCli(['jobs', 'check'], { env })
      expect([jobs.code, jobs.stdout]).toEqual([1, expect.stringMatching(/^The database's disk is full/m)])

      const killed = serverPid(join(env.DATA_DIR, 'postgres'))
      process.kill(killed, 'SIGKILL')
      await printed(scheduler, () =>
        /the embedded database is down.*its disk has only 0 MB left/.test(scheduler.stdout()),
      )
      expect(scheduler.stdout()).not.toMatch(/HINT|corrupt/)
      expect([await statusOf('/health'), await statusOf('/health/live')]).toEqual([503, 200])

      disk.free()
      await vi.waitFor(async () => expect(await statusOf('/health')).toBe(200), WITHIN)
      const pid = serverPid(join(env.DATA_DIR, 'postgres'))
      scheduler.process.kill('SIGTERM')
      // A run begins every second, so one may be released at the end: exit code 143.
      expect([0, 143]).toContain((await scheduler.ended).code)
      await vi.waitFor(() => expect(isPostgres(pid)).toBe(false), WITHIN)
    }),
)

test.runIf(mayMount)(
  'a disk that is full at the start is named, once as the database is made and once as it is started',
  () =>
    withSmallDisk(100, async (disk) => {
      const env = { DATA_DIR: join(disk.folder, '.data'), PIPELINES_DIR: SCHEDULED }
      disk.fill()
      const first = await runCli(['db', 'migrate'], { env })
      expect([first.code, first.stderr]).toEqual([1, expect.stringMatching(/^✖ .*\(ENOSPC: .*\); free disk space, /)])
      disk.free()
      expect((await runCli(['db', 'migrate'], { env })).code).toBe(0)
      disk.fill()
      const second = await runCli(['db', 'migrate'], { env })
      expect([second.code, second.stderr]).toEqual([1, expect.stringMatching(/^✖ .*its disk has only 0 MB left/)])
      expect(second.stderr).not.toMatch(/HINT|another server may be starting/)
      disk.free()
      expect((await runCli(['db', 'migrate'], { env })).code).toBe(0)
    }),
)
