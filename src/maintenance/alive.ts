import { humanDuration } from '../duration.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { BLOCKED, type JobListing } from '../operations/list-jobs.ts'
import { findDeadJobs, type JobKind, lockClass } from '../processes/jobs.ts'

type Columns =
  | 'job_id'
  | 'kind'
  | 'hostname'
  | 'pid'
  | 'heartbeat_at'
  | 'code_version'
  | 'tminus_version'
  | 'blocked_ms'
  | 'blocked_by'

export type Executing = Pick<JobListing, Columns> & {
  /**
   * Milliseconds since the last committed heartbeat of the process, by the database's clock; negative if that clock was
   * set back.
   */
  silent_ms: number
}

/** Three missed heartbeats: one is written every 5 s. */
const LATE_MS = 15_000

export interface Wanted {
  /** Default: the kinds of process that execute runs. */
  kinds?: readonly JobKind[]
  /** Only processes of this machine. */
  hostname?: string | undefined
}

/**
 * Live processes that execute queued runs, or of other kinds: they hold their lock, and the database commits their
 * heartbeats.
 */
export async function listExecuting(db: Metadata, { kinds = EXECUTING, hostname }: Wanted = {}): Promise<Executing[]> {
  const dead = (await findDeadJobs(db, 0)).map(({ job_id }) => job_id)
  const { rows } = await db.query<Executing>(
    `select ${COLUMNS} from metadata.job
     where ${WANTED} and abs(${SILENT_MS}) <= $3 and job_id <> all($4::bigint[]) order by job_id`,
    [kinds, hostname, LATE_MS, dead],
  )
  return rows
}

/** Workers: they execute tasks for processes with EXECUTOR=distributed. */
export async function listWorkers(db: Metadata): Promise<Executing[]> {
  return await listExecuting(db, { kinds: ['worker'] })
}

/** Processes that hold their lock, but whose last heartbeat is too old or in the future. */
export async function listLate(db: Metadata, { kinds = EXECUTING, hostname }: Wanted = {}): Promise<Executing[]> {
  const { rows } = await db.query<Executing>(
    `select ${COLUMNS} from metadata.job
     where ${WANTED} and abs(${SILENT_MS}) > $3 and exists (
       select from pg_locks l where l.locktype = 'advisory' and l.classid = $4::bigint::oid and l.objid = job_id::oid
         and l.database = (select oid from pg_database where datname = current_database()) and l.granted)
     order by job_id`,
    [kinds, hostname, LATE_MS, lockClass(db.schema)],
  )
  return rows
}

const EXECUTING: readonly JobKind[] = ['start', 'scheduler']
const WANTED = `state = 'running' and kind = any($1::text[]) and ($2::text is null or hostname = $2)`
const SILENT_MS = '(extract(epoch from now() - heartbeat_at) * 1000)::float8'
const COLUMNS = `job_id, kind, hostname, pid, heartbeat_at, code_version, tminus_version, ${BLOCKED}, ${SILENT_MS} as silent_ms`

/** Describes the problem with a process of `listLate`, and what to do. */
export function lateReason(job: Executing): string {
  if (job.silent_ms < 0)
    return `the last heartbeat of ${nameOf(job)} is ${humanDuration(-job.silent_ms)} in the future: the database's clock was set back; the next heartbeat, within 5 s, corrects this`
  return `the last heartbeat of ${nameOf(job)} was committed ${humanDuration(job.silent_ms)} ago: the database does not write or the process hangs; see the logs of both`
}

export function namesOf(jobs: readonly Executing[]): string {
  return jobs.map(nameOf).join(', ')
}

export function nameOf({ kind, pid, hostname }: Pick<Executing, 'kind' | 'pid' | 'hostname'>): string {
  return `${kind} (process ${pid} on ${hostname})`
}
