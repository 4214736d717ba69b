import { commandFor } from '../../command-for.ts'
import { humanDuration } from '../../duration.ts'
import { lateReason, listExecuting, listLate } from '../../maintenance/alive.ts'
import { whyNotWritable } from '../../maintenance/writes.ts'
import { blockedWords, codeDifference, listJobs, shortVersion } from '../../operations/list-jobs.ts'
import { answer, instant, say, table, wrapped } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'
import type { ListOptions } from './dags.ts'

/** `jobs list`: recent processes, live ones first. */
export async function jobsList({ output }: ListOptions): Promise<number> {
  const jobs = await withMetadata((metadata) => listJobs(metadata, 25))
  const different = codeDifference(jobs.filter(({ state }) => state === 'running'))
  return answer(output, jobs, () => {
    const listed = table(
      ['job_id', 'kind', 'state', 'process', 'code', 'start', 'heartbeat', 'reason'],
      jobs.map((job) => [
        String(job.job_id),
        job.kind,
        job.state,
        `${job.pid} on ${job.hostname}`,
        shortVersion(job.code_version),
        instant(job.start_date),
        instant(job.heartbeat_at),
        job.reason ?? blockedWords(job) ?? '',
      ]),
      { spare: ['start', 'code'], empty: 'No process has run here yet' },
    )
    return different === undefined ? listed : `${listed}\n${wrapped(different).join('\n')}`
  })
}

/** `jobs check`: returns 1 if no live process executes runs. */
export async function jobsCheck(): Promise<number> {
  return await withMetadata(async (metadata) => {
    const executing = await listExecuting(metadata)
    for (const { kind, pid, hostname, silent_ms, ...one } of executing) {
      const facts = [`last heartbeat ${humanDuration(silent_ms)} ago`, blockedWords(one)].filter(Boolean).join(', ')
      say(`${kind}, process ${pid} on ${hostname}: ${facts}`)
    }
    const late = await listLate(metadata)
    for (const one of late) say(sentence(lateReason(one)))
    if (executing.length + late.length === 0)
      say(`No live process executes runs; start one with ${commandFor('start')}`)
    const why = await whyNotWritable(metadata.pool)
    if (why !== undefined) say(sentence(why))
    return executing.length > 0 && why === undefined ? 0 : 1
  })
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
