import { writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { openPool } from '../db/pool.ts'
import { humanDuration } from '../duration.ts'
import { messageOf } from '../errors.ts'
import { type Metadata, openMetadata } from '../metadata/metadata.ts'
import { cancelRun, lockRun } from '../operations/change-run.ts'
import { Pulse, type Suspect } from '../pulse.ts'
import { MainThread, nameOf } from './blocked.ts'
import { identifyMainThread } from './identify.ts'
import { endBlockedJob, type JobKind, renewLease } from './jobs.ts'

/** The program of the lease thread, which has its own connection: see `Lease`. */

export interface LeaseData {
  memory: SharedArrayBuffer
  connectionString: string
  unnamed: boolean
  schema: string
  jobId: number
  kind: JobKind
}

/** The main thread sends a new job id, or the request to end this thread. */
export type LeaseMessage = { jobId: number } | 'close'

const LOOK_EVERY_MS = 250
const RENEW_EVERY_MS = 5_000
const ANSWER_MS = 5_000
/** How long this thread waits for the database before it ends a blocked process. */
const END_WITHIN_MS = 10_000

const { memory, connectionString, unnamed, schema, kind, ...given } = workerData as LeaseData
let { jobId } = given
const closing = new AbortController()
let renewedAt = Number.NEGATIVE_INFINITY
let isRenewing = false
let recorded: string | null | undefined
const pulse = new Pulse(memory)
const main = new MainThread()
const pool = openPool(connectionString, { max: 1, applicationName: 'tminus lease', timeoutMs: ANSWER_MS, unnamed })
const db = openMetadata(pool, schema)

parentPort?.on('message', (message: LeaseMessage) => {
  if (message === 'close') closing.abort()
  else jobId = message.jobId
})

void keepLease()

async function keepLease(): Promise<void> {
  while (!closing.signal.aborted) await look()
  parentPort?.close()
  await pool.end()
}

async function look(): Promise<void> {
  const planned = performance.now() + LOOK_EVERY_MS
  await delay(LOOK_EVERY_MS, undefined, closing).catch(() => {})
  const now = performance.now()
  main.look(pulse.beats, now, now - planned)
  if (main.isUnknown) await identify()
  if (main.isOverdue && !pulse.isDebugged) await endProcess()
  const by = main.blocked && nameOf(main.blocked.by)
  if (now - renewedAt >= RENEW_EVERY_MS || by !== recorded) void renew(by)
}

/** Renews the lease. Records whether the main thread is blocked, and by which task (`undefined`: it is not blocked). */
async function renew(by: string | null | undefined): Promise<void> {
  if (isRenewing) return
  isRenewing = true
  try {
    const { blocked } = main
    await renewLease(db, jobId, blocked?.ms ?? null, by ?? null)
    recorded = by
    renewedAt = performance.now()
  } catch {
    // The main thread reports an outage. The next check tries again.
  } finally {
    isRenewing = false
  }
}

async function identify(): Promise<void> {
  const before = pulse.beats
  // A user with a debugger may pause code for any length of time.
  if (!pulse.isDebugged) await identifyMainThread()
  // A new beat means that the main thread has returned to its event loop.
  if (pulse.beats === before) main.identified(pulse.suspect)
}

/** Only a signal ends a process whose main thread is blocked. The process ends even if the database does not answer. */
async function endProcess(): Promise<void> {
  const { ms = 0, by } = main.blocked ?? {}
  const name = nameOf(by)
  const reason = `blocked for ${humanDuration(Math.round(ms / 1_000) * 1_000)}${name === null ? '' : ` by ${name}`}`
  const ending = endJob(reason, by).then(
    () => '',
    (error: Error) => messageOf(error),
  )
  const problem = await Promise.race([ending, delay(END_WITHIN_MS, 'the database did not answer')])
  writeSync(
    2,
    `✖ This process was ${reason} and has been ended${problem && `; its job could not be ended: ${problem}`}\n`,
  )
  process.kill(process.pid, 'SIGKILL')
}

async function endJob(reason: string, by: Suspect | undefined): Promise<void> {
  const why = by ? reason : `${reason}; running: ${await tasksInFlight()}`
  // Ends these runs, because no other process may exist that executes the runs of a `pipeline`.
  await endBlockedJob(db, jobId, why, by, kind === 'pipeline' ? (tx) => failRuns(tx, why) : undefined)
}

async function failRuns(tx: Metadata, reason: string): Promise<void> {
  const { rows } = await tx.query<{ dag_id: string; run_id: string }>(
    `select dag_id, run_id from metadata.dag_run where job_id = $1 and state in ('queued', 'running')`,
    [jobId],
  )
  for (const { dag_id, run_id } of rows) {
    const run = await lockRun(tx, dag_id, run_id)
    if (run) await cancelRun(tx, run, reason)
  }
}

/** The tasks that execute in the main thread, as `dag/task, …`; at most ten. */
async function tasksInFlight(): Promise<string> {
  const { rows } = await db.query<{ names: string | null }>(
    `select string_agg(name, ', ') as names from (
       select r.dag_id || '/' || t.task_id as name from metadata.task_instance t join metadata.dag_run r using (dag_run_id)
       where r.job_id = $1 and t.state = 'running' and not t.isolated order by t.started_at limit 10) running`,
    [jobId],
  )
  return rows[0]?.names ?? 'no task'
}
