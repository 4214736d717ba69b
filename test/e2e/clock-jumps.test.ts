import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import { startCli } from '../support/cli.ts'
import { withDatabase } from '../support/database.ts'
import { canFakeClock, fakeClock } from '../support/fake-clock.ts'
import { until } from '../support/runner.ts'
import { withFolder } from '../support/scratch.ts'

vi.setConfig({ testTimeout: 120_000 })
const TICKING = fileURLToPath(new URL('../fixtures/scheduled-pipelines', import.meta.url))
const SECONDS = 10

if (!canFakeClock) console.log('skipped: libfaketime is not installed')
describe.skipIf(!canFakeClock)('a clock that is set', { concurrent: true }, () => {
  test.each([-1, 1])(
    'by %i h and back neither loses nor doubles a tick of `* * * * * *`, and health stays right',
    async (hours) => {
      await withFolder((folder) =>
        withDatabase(async ({ connectionString, pool }) => {
          const clock = fakeClock(folder)
          const env = { DATABASE_URL: connectionString, PIPELINES_DIR: TICKING, ...clock.env }
          const running = startCli(['start'], { env })
          const url = () => /health at (http:[^ "]+)\/health/.exec(running.stdout())?.[1]
          await until(() => url() !== undefined)
          const health = new Set<number>()
          const ticks = async (): Promise<number[]> => {
            const { rows } = await pool.query(
              `select extract(epoch from logical_date)::int as tick from metadata.dag_run where state = 'success' order by 1`,
            )
            return rows.map(({ tick }) => tick)
          }
          await until(async () => (await fetch(`${url()}/health`)).status === 200)
          /** Watches health, and waits for a run of each second of the clock as it is now set. */
          const watch = async (shift: number) => {
            clock.shift(shift)
            // The first ticks after the change may be late.
            await delay(1_000)
            const first = Math.ceil(Date.now() / 1_000) + shift * 3_600 + 1
            const wanted = Array.from({ length: SECONDS }, (_, index) => first + index)
            const began = performance.now()
            await until(async () => {
              health.add((await fetch(`${url()}/health`)).status)
              return (await ticks()).includes(wanted.at(-1) ?? 0)
            })
            const found = await ticks()
            expect(wanted.filter((tick) => found.filter((one) => one === tick).length !== 1)).toEqual([])
            return Math.round(performance.now() - began)
          }
          const took = [await watch(0), await watch(hours), await watch(0)]
          console.log(`${SECONDS} ticks before, during and after ${hours} h: ${took.join(', ')} ms`)
          expect([...health]).toEqual([200])
          running.process.kill('SIGTERM')
          await running.ended
        }),
      )
    },
  )
})
