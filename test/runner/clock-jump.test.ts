import { expect, test } from 'vitest'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { startCli } from '../support/cli.ts'
import { useDatabase } from '../support/database.ts'
import { canFakeClock, fakeClock } from '../support/fake-clock.ts'
import { until } from '../support/runner.ts'
import { withFolder } from '../support/scratch.ts'

const database = useDatabase()

test.skipIf(!canFakeClock).each([-1, 1])(
  'a clock that is set by %d h stops no heartbeat (skipped without libfaketime)',
  async (hours) => {
    await withFolder(async (folder) => {
      const metadata = openMetadata(database.pool, 'metadata')
      const clock = fakeClock(folder)
      const env = { DATABASE_URL: database.connectionString, LOG_LEVEL: 'warn', ...clock.env }
      const { process, ended, stdout } = startCli(['scheduler'], { env })
      // The heartbeat of the main thread alone stores `backend_pid`.
      const beats = async () => {
        const text = 'select heartbeat_at, state from metadata.job where pid = $1 and backend_pid is not null'
        return (await metadata.query<{ heartbeat_at: Date; state: string }>(text, [process.pid])).rows[0]
      }
      await until(async () => (await beats()) !== undefined)
      clock.shift(hours)
      const before = await beats()
      await metadata.query('update metadata.job set backend_pid = null where pid = $1', [process.pid])
      await until(async () => (await beats()) !== undefined, 15_000)
      expect(Number((await beats())?.heartbeat_at)).toBeGreaterThan(Number(before?.heartbeat_at))
      expect((await beats())?.state).toBe('running')
      process.kill('SIGTERM')
      expect((await ended).code).toBe(0)
      expect(stdout()).toBe('')
    })
  },
)
