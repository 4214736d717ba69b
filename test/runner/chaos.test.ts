import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { retryDuringOutage } from '../../src/db/outage.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import type { Running } from '../support/cli.ts'
import { allEnded, crashDags, feed, judgeCrashes, startWorker } from '../support/crash.ts'
import { FULL, Random, SEED } from '../support/random.ts'
import { useRestartableServer } from '../support/restartable-server.ts'
import { openTestRunner } from '../support/runner.ts'

/** FUZZ=full: ten minutes for each kind of isolation. */
const FOR_MS = FULL ? 600_000 : 20_000
const LONGEST_FREEZE_MS = FULL ? 45_000 : 4_000

const server = useRestartableServer()

for (const isolation of ['none', 'all']) {
  test(`three schedulers (ISOLATION=${isolation}) that are killed and frozen, backends ended, Postgres restarted: every run ends, no finished try is repeated`, async () => {
    const random = new Random(SEED)
    const dags = await crashDags()
    const { metadata } = await openTestRunner({ pool: server.pool } as never, dags)
    await server.pool.query(
      `truncate effect; delete from metadata.dag_run; update metadata.job set state = 'success', ended_at = now()`,
    )
    const start = () => startWorker(server.connectionString, { ISOLATION: isolation })
    const workers = [start(), start(), start()]
    const counts = { kill: 0, freeze: 0, endBackends: 0, restart: 0 }
    const thaws: Promise<unknown>[] = []
    const acts: Record<keyof typeof counts, () => Promise<void>> = {
      kill: async () => {
        const index = random.int(3)
        workers[index]?.process.kill('SIGKILL')
        await workers[index]?.ended
        workers[index] = start()
      },
      freeze: async () => {
        const { process: frozen } = workers[random.int(3)] as Running
        frozen.kill('SIGSTOP')
        // A killed process is not sent a signal.
        thaws.push(delay(1_000 + random.int(LONGEST_FREEZE_MS)).then(() => frozen.kill('SIGCONT')))
      },
      endBackends: async () => {
        const ended = `select pg_terminate_backend(pid) from pg_stat_activity
          where application_name like 'tminus%' and pid <> pg_backend_pid() and random() < 0.5`
        await retryDuringOutage(() => server.pool.query(ended)).catch(() => {})
      },
      restart: server.restart,
    }
    // A process that loses its connections while it starts ends, and a service manager would start it again.
    const revive = () => {
      for (const [index, worker] of workers.entries()) if (worker.process.exitCode !== null) workers[index] = start()
    }
    const names = Object.keys(acts) as (keyof typeof counts)[]
    const deadline = performance.now() + FOR_MS
    while (performance.now() < deadline) {
      await retryDuringOutage(() => feed(metadata, dags, 40))
      await delay(300 + random.int(1_500))
      revive()
      const name = random.pick(names)
      counts[name]++
      await acts[name]()
    }
    await Promise.all(thaws)
    const reviving = setInterval(revive, 500)
    await retryDuringOutage(() => allEnded(metadata, 180_000)).finally(() => clearInterval(reviving))
    for (const worker of workers) worker.process.kill('SIGTERM')
    await Promise.all(workers.map(({ ended }) => ended))
    const verdict = await retryDuringOutage(() => judgeCrashes(metadata))
    console.log(
      `ISOLATION=${isolation}, seed ${SEED}, ${FOR_MS / 1_000} s: ${JSON.stringify({ ...counts, ...verdict })}`,
    )
    expect(verdict).toMatchObject({ running: 0, startedTwice: 0, afterSuccess: 0, successTwice: 0, unproven: 0 })
    expect(await begunAfterSuccess(metadata)).toBe(0)
  }, 1_200_000)
}

/** Tries that began more than a second after a try of the same task had succeeded, perhaps in another process. */
async function begunAfterSuccess(metadata: Metadata): Promise<number> {
  const { rows } = await metadata.query<{ count: number }>(
    `select count(*)::int from effect e
     join metadata.dag_run r on r.dag_id = e.dag_id and r.run_id = e.run_id
     join metadata.task_instance t on t.dag_run_id = r.dag_run_id and t.task_id = e.task_id
     where e.what = 'begun' and t.state = 'success' and e.try_number < t.try_number
       and e.at > t.ended_at + interval '1 s'`,
  )
  return rows[0]?.count ?? 0
}
