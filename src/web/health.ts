import { type Database, hasSameAddress } from '../db/pool.ts'
import { messageOf, TminusError } from '../errors.ts'
import { type Executing, lateReason, listExecuting, listLate } from '../maintenance/alive.ts'
import { whyNotWritable } from '../maintenance/writes.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { LastCheck } from '../scheduler/scheduler.ts'

export interface HealthOptions {
  /** The launches' database. */
  db: Database
  metadata: Metadata
  /** Set in a process that schedules and executes runs. Without it, the answer covers all processes. */
  own?: {
    jobId(): number
    /** The last completed check of its scheduler. */
    lastCheck(): LastCheck | undefined
  }
}

export interface Part {
  status: 'healthy' | 'unhealthy'
  /** The time of the last check, ISO 8601, UTC; null if there was none. */
  last_heartbeat: string | null
  /** Only if unhealthy. */
  reason?: string
}

export interface Health {
  status: Part['status']
  database: Part
  scheduler: Part
  executor: Part
}

const DATABASE_MS = 2_000
/** The scheduler checks once a second. */
const STALE_MS = 10_000

/**
 * Returns a function that checks database, scheduler and executor. A process that only answers HTTP is not healthy.
 * Never throws. Parallel calls share one check.
 */
export function openHealth({ db, metadata, own }: HealthOptions): () => Promise<Health> {
  const answered = { database: null as Date | null, executor: null as Date | null }
  return shared(async () => {
    const known = await within(DATABASE_MS, () => askDatabases(db, metadata)).catch((error: unknown) =>
      messageOf(error),
    )
    if (typeof known === 'string') return overall(judge(answered.database, known), own, unknown(answered.executor))
    answered.database = new Date()
    const isOwn = ({ job_id }: Executing) => own === undefined || job_id === own.jobId()
    const [mine, late] = [known.executing.filter(isOwn), known.late.filter(isOwn)]
    answered.executor = latest([...late, ...mine]) ?? answered.executor
    const why = mine.length > 0 ? undefined : late[0] === undefined ? NO_EXECUTOR : lateReason(late[0])
    return overall(judge(answered.database, known.notWritable), own, judge(answered.executor, why))
  })
}

/** Parallel calls share one execution of `work`. */
export function shared<T>(work: () => Promise<T>): () => Promise<T> {
  let working: Promise<T> | undefined
  return () => {
    working ??= work().finally(() => {
      working = undefined
    })
    return working
  }
}

async function askDatabases(db: Database, metadata: Metadata) {
  const ofLaunches = hasSameAddress(db, metadata.pool) ? undefined : await whyNotWritable(db)
  const notWritable = ofLaunches ?? (await whyNotWritable(metadata.pool))
  return { notWritable, executing: await listExecuting(metadata), late: await listLate(metadata) }
}

const NO_EXECUTOR = 'no live process executes runs'

function overall(database: Part, own: HealthOptions['own'], executor: Part): Health {
  // A process that executes also schedules. Only that process itself can check its scheduler.
  const scheduler = own === undefined ? executor : judgeScheduler(own.lastCheck())
  const isHealthy = [database, scheduler, executor].every(({ status }) => status === 'healthy')
  return { status: isHealthy ? 'healthy' : 'unhealthy', database, scheduler, executor }
}

function judgeScheduler(last: LastCheck | undefined): Part {
  if (last === undefined) return judge(null, 'it has not completed a check yet')
  const isLate = last.ageMs() > STALE_MS
  return judge(last.at, isLate ? `it has completed no check for over ${STALE_MS / 1_000} s` : undefined)
}

function unknown(last: Date | null): Part {
  return judge(last, 'unknown: the database does not answer')
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
