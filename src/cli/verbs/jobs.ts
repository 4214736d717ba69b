import { hostname } from 'node:os'
import { commandFor } from '../../command-for.ts'
import { humanDuration } from '../../duration.ts'
import { lateReason, listExecuting, listLate } from '../../maintenance/alive.ts'
import { versionProblem } from '../../maintenance/versions.ts'
import { whyNotWritable } from '../../maintenance/writes.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import {
  blockedWords,
  codeDifference,
  listJobs,
  loadWords,
  servesWords,
  shortVersion,
} from '../../operations/list-jobs.ts'
import type { JobKind } from '../../processes/jobs.ts'
import { staleCode } from '../stale-code.ts'
import { answer, instant, say, table, wrapped } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'
import type { ListOptions } from './dags.ts'

/** `jobs list`: recent processes, live ones first. */
export async function jobsList({ output }: ListOptions): Promise<number> {
  const { jobs, stale } = await withMetadata(async (metadata, setup) => ({
    jobs: await listJobs(metadata, 25),
    stale: await staleCode(metadata, setup),
  }))
  const running = jobs.filter(({ state }) => state === 'running')
  const problems = [codeDifference(running), versionProblem(running)?.message, stale].filter((one) => one !== undefined)
  return answer(output, jobs, () => {
    const listed = table(
      ['job_id', 'kind', 'state', 'process', 'version', 'code', 'start', 'heartbeat', 'load', 'serves', 'reason'],
      jobs.map((job) => [
        String(job.job_id),
        job.kind,
        job.state,
        `${job.pid} on ${job.hostname}`,
        job.tminus_version ?? '',
        shortVersion(job.code_version),
        instant(job.start_date),
        instant(job.heartbeat_at),
        loadWords(job),
        servesWords(job),
        job.reason ?? blockedWords(job) ?? '',
      ]),
      { spare: ['start', 'code', 'version', 'serves'], empty: 'No process has run here yet' },
    )
    return [listed, ...problems.flatMap((one) => wrapped(one))].join('\n')
  })
}

export interface CheckOptions {
  kind?: JobKind
  hostname?: string
  local?: boolean
}

/** `jobs check`: returns 1 if no live process executes runs, or none of this kind and machine is alive. */
export async function jobsCheck({ kind, ...options }: CheckOptions): Promise<number> {
  const here = options.local ? hostname() : options.hostname
  const wanted = { hostname: here, ...(kind && { kinds: [kind] }) }
  const check = async (metadata: Metadata) => {
    const executing = await listExecuting(metadata, wanted)
    for (const one of executing) {
      const facts = [`last heartbeat ${humanDuration(one.silent_ms)} ago`, blockedWords(one)].filter(Boolean).join(', ')
      say(`${one.kind}, process ${one.pid} on ${one.hostname}: ${facts}`)
    }
    const late = await listLate(metadata, wanted)
    for (const one of late) say(sentence(lateReason(one)))
    if (executing.length + late.length === 0) {
      const where = here === undefined ? '' : ` on ${here}`
      const what = kind === undefined ? `process${where} executes runs` : `${kind} runs${where}`
      say(`No live ${what}; start one with ${commandFor(kind ?? 'start')}`)
    }
    const why = await whyNotWritable(metadata.pool)
    if (why !== undefined) say(sentence(why))
    return executing.length > 0 && why === undefined ? 0 : 1
  }
  // This is also a health check, which must not depend on the code of pipelines.
  return await withMetadata(check, { withoutDags: true })
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
