import type { Database } from '../db/pool.ts'
import { messageOf, TminusError } from '../errors.ts'
import { type Executing, lateReason, listExecuting, listLate } from '../maintenance/alive.ts'
import { whyNotWritable } from '../maintenance/writes.ts'
import type { Metadata } from '../metadata/metadata.ts'

export interface HealthOptions {
  /** The launches' database. */
  db: Database
  metadata: Metadata
  /** Of a process that schedules and executes; one that does not tells of those that do. */
  own?: {
    jobId(): number
    /** When its scheduler last came to the end of a look. */
    lookedAt(): Date | undefined
  }
}

export interface Part {
  status: 'healthy' | 'unhealthy'
  /** ISO 8601, UTC; of what was never heard of null. */
  last_heartbeat: string | null
  /** Only where it is not healthy. */
  reason?: string
}

export interface Health {
  status: Part['status']
  database: Part
  scheduler: Part
  executor: Part
}

const DATABASE_MS = 2_000
/** It looks once a second. */
const LOOK_MS = 10_000

/**
 * Whether database, scheduler and executor each live: a process that only still answers is not healthy. Never throws.
 * Asked again while it is at it, it gives the same answer, so that many who ask cost no more than one.
 */
export function openHealth({ db, metadata, own }: HealthOptions): () => Promise<Health> {
  const answered = { database: null as Date | null, executor: null as Date | null }
  let asking: Promise<Health> | undefined
  const ask = async (): Promise<Health> => {
    const known = await within(DATABASE_MS, () => askDatabases(db, metadata)).catch((error: unknown) =>
      messageOf(error),
    )
    if (typeof known === 'string') return overall(judge(answered.database, known), own, unknown(answered.executor))
    answered.database = new Date()
    const isOwn = ({ job_id }: Executing) => own === undefined || job_id === own.jobId()
    const [mine, late] = [known.executing.filter(isOwn), known.late.filter(isOwn)]
    answered.executor = latest([...late, ...mine]) ?? answered.executor
    const why = mine.length > 0 ? undefined : late[0] === undefined ? NOBODY : lateReason(late[0])
    return overall(judge(answered.database, known.notWritable), own, judge(answered.executor, why))
  }
  return () => {
    asking ??= ask().finally(() => {
      asking = undefined
    })
    return asking
  }
}

async function askDatabases(db: Database, metadata: Metadata) {
  const ofLaunches = db === metadata.pool ? undefined : await whyNotWritable(db)
  const notWritable = ofLaunches ?? (await whyNotWritable(metadata.pool))
  return { notWritable, executing: await listExecuting(metadata), late: await listLate(metadata) }
}

const NOBODY = 'no live process takes up runs'

function overall(database: Part, own: HealthOptions['own'], executor: Part): Health {
  // Who executes also schedules, and only its own process can look deeper than that.
  const scheduler = own === undefined ? executor : judgeScheduler(own.lookedAt())
  const isHealthy = [database, scheduler, executor].every(({ status }) => status === 'healthy')
  return { status: isHealthy ? 'healthy' : 'unhealthy', database, scheduler, executor }
}

function judgeScheduler(lookedAt: Date | undefined): Part {
  if (lookedAt === undefined) return judge(null, 'it has not looked yet')
  const isLate = Date.now() - lookedAt.getTime() > LOOK_MS
  return judge(lookedAt, isLate ? `it came to the end of no look for over ${LOOK_MS / 1_000} s` : undefined)
}

function unknown(last: Date | null): Part {
  return judge(last, 'not known without the database')
}

function judge(last: Date | null, reason?: string): Part {
  const last_heartbeat = last?.toISOString() ?? null
  return reason === undefined ? { status: 'healthy', last_heartbeat } : { status: 'unhealthy', last_heartbeat, reason }
}

function latest(executing: readonly Executing[]): Date | undefined {
  return executing.map(({ heartbeat_at }) => heartbeat_at).sort((a, b) => b.getTime() - a.getTime())[0]
}

async function within<T>(ms: number, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new TminusError(`no answer within ${ms / 1_000} s`, { code: 'database_slow' })
    timer = setTimeout(() => reject(error), ms)
  })
  return await Promise.race([work(), late]).finally(() => clearTimeout(timer))
}
