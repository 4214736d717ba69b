import { humanDuration } from '../duration.ts'
import { listExecuting } from '../maintenance/alive.ts'
import { listJobs } from '../operations/list-jobs.ts'
import type { ListOptions } from './dags.ts'
import { instant, print, printJson, say, table } from './table.ts'
import { withMetadata } from './with-metadata.ts'

/** `jobs list`: processes, those alive first. */
export async function jobsList({ output }: ListOptions): Promise<number> {
  const jobs = await withMetadata((metadata) => listJobs(metadata, 25))
  if (output === 'json') printJson(jobs)
  else
    print(
      table(
        ['job_id', 'kind', 'state', 'process', 'start', 'heartbeat', 'reason'],
        jobs.map((job) => [
          String(job.job_id),
          job.kind,
          job.state,
          `${job.pid} on ${job.hostname}`,
          instant(job.start_date),
          instant(job.heartbeat_at),
          job.reason ?? '',
        ]),
        { spare: ['start'], empty: 'No process has been here yet' },
      ),
    )
  return 0
}

/** `jobs check`: whether any live process takes up runs. */
export async function jobsCheck(): Promise<number> {
  const executing = await withMetadata((metadata) => listExecuting(metadata))
  for (const { kind, pid, hostname, silent_ms } of executing)
    say(`${kind}, process ${pid} on ${hostname}: last heartbeat ${humanDuration(silent_ms)} ago`)
  if (executing.length === 0) say('No live process takes up runs; start one with npm start')
  return executing.length > 0 ? 0 : 1
}
