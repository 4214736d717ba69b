import { setTimeout as delay } from 'node:timers/promises'
import { CoalescedWork } from '../coalesced-work.ts'
import { logUnlessOutage, retryDuringOutage } from '../db/outage.ts'
import { Session, type SessionOptions } from '../db/session.ts'
import type { Logger } from '../log.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { type Instant, instant, msSince, silences, startPulse } from '../pulse.ts'
import type { JobListener, OwnJob } from '../runner/process.ts'
import * as jobs from './jobs.ts'

export interface JobOptions extends jobs.LoadedCode, Pick<SessionOptions, 'connectionString' | 'pools'> {
  db: Metadata
  kind: jobs.JobKind
  /** Renews the lease while the event loop is blocked. */
  lease?: { keep(jobId: number): void; close(): Promise<void> }
  log: Logger
}

const CHECK_EVERY_MS = 1_000
const HEARTBEAT_EVERY_MS = 5_000
const WATCHED_MS = jobs.WATCHED_S * 1_000
/** A process that lost its connection has at least this long to reconnect, or to store that it has no session. */
const SECOND_CHECK_AFTER_MS = 500
/**
 * For this long after this process lost its own session or restored it, a free lock does not mean a dead process: whatever
 * ended the session has probably ended the sessions of others too.
 */
const AFTER_LOSS_MS = 2_000
const CONFIRM_EVERY_MS = 50
/** How long a process that ends retries during an outage of the database. */
const END_JOB_MS = 5_000

/**
 * The job of this process: it holds the advisory lock, renews the lease, receives notifications, and checks once a
 * second for dead processes. Nothing else in the runner polls.
 */
export class Job implements OwnJob {
  readonly #options: JobOptions
  readonly #session: Session
  #listener: JobListener | undefined
  #id = 0
  #backendPid: number | null = null
  /** Undefined: the lease must be renewed now. */
  #lastHeartbeat: Instant | undefined
  #mustRenew = false
  /** When the session was last lost, or restored after that. */
  #lostAt: Instant | undefined
  /** The number of silences after which the database last confirmed that this process is alive. */
  #confirmed = 0
  /** For each heartbeat that seems expired: the number of consecutive checks that found it. */
  #expired = new Map<string, number>()
  #stopPulse = () => {}
  #timer: NodeJS.Timeout | undefined
  readonly #checking: CoalescedWork
  #ended = false
  #isSteppingDown = false

  constructor(options: JobOptions) {
    this.#options = options
    const failed = logUnlessOutage(options.log, 'checking other processes failed')
    this.#checking = new CoalescedWork(() => this.#renewAndReclaim(), failed)
    this.#session = new Session({
      connectionString: options.connectionString,
      channel: options.db.channel,
      pools: options.pools,
      lock: () => [jobs.lockClass(options.db.schema), this.#id],
      onNotify: (payload) => this.#listener && deliver(payload, this.#id, this.#listener),
      onConnected: (backendPid) => this.#connected(backendPid),
      onLost: (error) => this.#disconnected(error),
    })
  }

  get id(): number {
    return this.#id
  }

  /** Registers the process and takes its lock. Each step waits for a database that has become unreachable. */
  async open(): Promise<void> {
    const { db, kind, lease, log } = this.#options
    const onWait = ({ message }: Error) => log.warn(`the database is unreachable (${message}); trying again`)
    const retry = <T>(step: () => Promise<T>) => retryDuringOutage(step, { onWait })
    this.#stopPulse = startPulse().stop
    this.#confirmed = silences()
    this.#id = await retry(() => jobs.insertJob(db, kind, this.#options))
    lease?.keep(this.#id)
    await retry(() => this.#session.open())
    await retry(() => jobs.heartbeat(db, this.#id, this.#backendPid))
    this.#lastHeartbeat = instant()
  }

  /** Starts to receive notifications and to check other processes. Resolves after the first check. */
  async listen(listener: JobListener): Promise<void> {
    this.#listener = listener
    this.#timer = setInterval(() => {
      this.#checking.request()
      listener.reported()
    }, CHECK_EVERY_MS)
    this.#checking.request()
    await this.#checking.done()
  }

  /** The next check releases all runs of this process. */
  stepDown(): void {
    this.#isSteppingDown = true
    this.#lastHeartbeat = undefined
  }

  /** Time since the last renewal of the lease from this thread, ms. */
  get silentMs(): number {
    return this.#lastHeartbeat ? msSince(this.#lastHeartbeat) : 0
  }

  /** Also resolves once this process has given up its runs. */
  confirmAlive(): Promise<void> | undefined {
    return this.#isUnconfirmed ? this.#confirm() : undefined
  }

  get #isUnconfirmed(): boolean {
    return silences() !== this.#confirmed && !this.#ended
  }

  async #confirm(): Promise<void> {
    while (this.#isUnconfirmed) {
      this.#mustRenew = true
      this.#checking.request()
      await Promise.all([this.#checking.done(), delay(CONFIRM_EVERY_MS)])
    }
  }

  async close(state: jobs.JobEnd, reason: string | null): Promise<void> {
    const { db, log, lease } = this.#options
    this.#ended = true
    clearInterval(this.#timer)
    await this.#checking.done()
    const end = () => jobs.endJob(db, this.#id, state, reason)
    const failed = ({ message }: Error) =>
      log.warn(`this process could not end its job (${message}); another process reclaims its runs`)
    // Ends the row before the lock is freed: a running job with a free lock would look like a dead process.
    if (this.#id > 0) await retryDuringOutage(end, { forMs: END_JOB_MS }).catch(failed)
    await Promise.all([this.#session.close(), lease?.close()])
    this.#stopPulse()
  }

  /** The lock is free now, but this process lives. It stores that it has no session, so that only its lease counts. */
  #disconnected({ message }: Error): void {
    this.#options.log.warn(`the database connection was lost (${message}); connecting again`)
    this.#backendPid = null
    this.#lostAt = instant()
    this.#mustRenew = true
    this.#checking.request()
  }

  #connected(backendPid: number | null): void {
    if (backendPid !== this.#backendPid) this.#lastHeartbeat = undefined
    if (backendPid !== this.#backendPid && this.#listener) this.#checking.request()
    this.#backendPid = backendPid
    if (this.#lostAt !== undefined) this.#lostAt = instant()
    // Notifications sent while the connection was lost are not resent.
    this.#listener?.runsWaiting()
    this.#listener?.slotsFreed()
    this.#listener?.runChanged()
  }

  async #renewAndReclaim(): Promise<void> {
    if (this.#ended) return
    const silentMs = this.#lastHeartbeat ? msSince(this.#lastHeartbeat) : Number.POSITIVE_INFINITY
    if (silentMs >= HEARTBEAT_EVERY_MS || this.#mustRenew) await this.#renew()
    // After the machine slept, this skips one check so that the other processes can renew their leases.
    if (silentMs >= 2 * HEARTBEAT_EVERY_MS) return
    const { db } = this.#options
    const found = await jobs.findDeadJobs(db, this.#id)
    const keyOf = ({ job_id, heartbeat_at }: jobs.DeadJob) => `${job_id} ${heartbeat_at}`
    this.#expired = new Map(found.map(keyOf).map((key) => [key, (this.#expired.get(key) ?? 0) + 1]))
    const isWatched = (one: jobs.DeadJob) => (this.#expired.get(keyOf(one)) ?? 0) * CHECK_EVERY_MS > WATCHED_MS
    const isDead = (one: jobs.DeadJob) => (one.heartbeat_at === null ? this.#trustsLocks : isWatched(one))
    const dead = found.filter(isDead)
    if (dead.length === 0) return
    await delay(SECOND_CHECK_AFTER_MS)
    for (const job of dead) if (isDead(job)) await this.#reclaim(job)
  }

  get #trustsLocks(): boolean {
    return this.#lostAt === undefined || msSince(this.#lostAt) >= AFTER_LOSS_MS
  }

  async #renew(): Promise<void> {
    const { db, kind, log } = this.#options
    const [before, backendPid] = [silences(), this.#backendPid]
    if (this.#isSteppingDown) await jobs.endJob(db, this.#id, 'failed', 'could not write its runs')
    const alive = await jobs.heartbeat(db, this.#id, backendPid)
    this.#lastHeartbeat = instant()
    this.#mustRenew = backendPid !== this.#backendPid
    this.#confirmed = before
    if (alive || this.#ended) return
    const why = this.#isSteppingDown ? 'could not write for too long' : 'was declared dead'
    log.error({ job_id: this.#id }, `this process ${why} and lost its runs; it continues with a new job id`)
    this.#id = await jobs.insertJob(db, kind, this.#options)
    this.#isSteppingDown = false
    this.#options.lease?.keep(this.#id)
    this.#session.renew()
    this.#listener?.leaseLost()
  }

  async #reclaim(dead: jobs.DeadJob): Promise<void> {
    const { db, log } = this.#options
    const released = await jobs.reclaimDeadJob(db, this.#id, dead)
    if (released === undefined) return
    log.warn({ job_id: dead.job_id, ...released }, `${dead.reason}; its runs are queued again`)
    if (released.runs > 0) this.#listener?.runsWaiting()
  }
}

/** Calls the listener for a notification of another process. */
export function deliver(payload: string, jobId: number, listener: JobListener): void {
  const [what, id, taskId] = payload.split(':')
  if (what === 'run') listener.runsWaiting()
  else if (what === 'slot') listener.slotsFreed()
  else if (what === 'report' && Number(id) === jobId) listener.reported()
  else if (what === 'changed') listener.runChanged(Number(id), taskId)
}
