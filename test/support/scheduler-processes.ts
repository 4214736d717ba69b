import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { type Running, startCli } from './cli.ts'

const EVERY_SECOND = fileURLToPath(new URL('../fixtures/every-second-pipelines', import.meta.url))
export const CONTINUOUS_PIPELINES = fileURLToPath(new URL('../fixtures/continuous-pipelines', import.meta.url))

export interface Schedules {
  /** When the first scheduler started and the last one ended; ms, whole seconds. */
  from: number
  until: number
  kills: number
}

/**
 * Two `start` processes on one database, one of them (in turn) killed with SIGKILL and started again every `killEveryMs`.
 */
export async function runSchedulers(
  databaseUrl: string,
  forMs: number,
  killEveryMs: number,
  PIPELINES_DIR = EVERY_SECOND,
): Promise<Schedules> {
  const env = { DATABASE_URL: databaseUrl, PIPELINES_DIR, WEB_PORT: '0' }
  const start = async () => {
    const running = startCli(['start'], { env })
    while (!running.stdout().includes('"scheduled"')) {
      if (running.process.exitCode !== null) throw new Error((await running.ended).stderr)
      await delay(10)
    }
    return running
  }
  const processes: Running[] = [await start(), await start()]
  const from = Math.ceil(Date.now() / 1_000) * 1_000
  let kills = 0
  for (let next = Date.now() + killEveryMs; next < from + forMs; next += killEveryMs) {
    await delay(next - Date.now())
    const victim = kills++ % 2
    processes[victim]?.process.kill('SIGKILL')
    await processes[victim]?.ended
    processes[victim] = await start()
  }
  await delay(from + forMs - Date.now())
  const until = Math.floor(Date.now() / 1_000) * 1_000 - 1_000
  for (const { process } of processes) process.kill('SIGTERM')
  await Promise.all(processes.map(({ ended }) => ended))
  return { from, until, kills }
}

export interface Ticks {
  dagId: string
  missing: number
  double: number
  /** For each expected run: the time from its tick to the start of its first task, in ms. */
  delays: number[]
}

export async function readTicks(db: Metadata, { from, until }: Schedules): Promise<Ticks[]> {
  const { rows } = await db.query<Ticks>(
    `select dag_id as "dagId",
       (extract(epoch from $2::timestamptz - $1::timestamptz)::int + 1) - count(distinct logical_date)::int as missing,
       (count(*) - count(distinct logical_date))::int as double,
       array_agg(1000 * extract(epoch from started_at - logical_date)::float8 order by started_at - logical_date) as delays
     from metadata.dag_run where run_type = 'scheduled' and logical_date between $1 and $2 group by 1 order by 1`,
    [new Date(from), new Date(until)],
  )
  return rows
}

export function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}
