import { setTimeout as delay } from 'node:timers/promises'
import type { Dag } from '../dag/dag.ts'
import { logUnlessOutage, outlast } from '../db/outage.ts'
import { Session } from '../db/session.ts'
import type { Logger } from '../log.ts'
import * as jobs from '../metadata/jobs.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { Turn } from './turn.ts'

export interface JobOptions {
  db: Metadata
  /** Of the metadata database, for the session that belongs to this process alone. Undefined: it can keep none. */
  connectionString: string | undefined
  kind: jobs.JobKind
  /** Those this process has loaded. */
  dags: readonly Dag[]
  log: Logger
}

/** What the parts of a runner have in common. */
export interface JobContext {
  /** In a long-lived process, over connections that plan BY_INDEX. */
  db: Metadata
  /** Its id changes when the process loses its lease. */
  job: Pick<Job, 'id' | 'abdicate'>
  log: Logger
}

export interface JobListener {
  /** Runs may be waiting: one was queued, given back, or makes room. */
  runsWaiting(): void
  slotsFreed(): void
  /** Somebody else changed this run; or, without one, any of them. */
  runChanged(dagRunId?: number): void
  /** This process was taken for dead and its runs were given away; it has a new id from here on. */
  deposed(): void
}

const LOOK_EVERY_MS = 1_000
const HEARTBEAT_EVERY_MS = 5_000
/** A process that just lost its connection gets this long to be back before it counts as dead. */
const SECOND_LOOK_AFTER_MS = 200
/** How long a process that ends waits for a database that is away. */
const SIGN_OFF_MS = 5_000

/**
 * This process among the others: holds the lock and renews the lease that say it lives, hears what they say, and
 * once a second looks whether one of them died. The only thing in here that polls.
 */
export class Job {
  readonly #options: JobOptions
  readonly #session: Session
  #listener: JobListener | undefined
  #id = 0
  #backendPid: number | null = null
  #lastHeartbeat = 0
  #timer: NodeJS.Timeout | undefined
  readonly #looking: Turn
  #ended = false
  #abdicating = false

  constructor(options: JobOptions) {
    this.#options = options
    const failed = logUnlessOutage(options.log, 'checking other processes failed')
    this.#looking = new Turn(() => this.#renewAndBury(), failed)
    this.#session = new Session({
      connectionString: options.connectionString,
      channel: options.db.channel,
      lock: () => [jobs.lockClass(options.db.schema), this.#id],
      onNotify: (payload) => this.#heard(payload),
      onConnected: (backendPid) => this.#connected(backendPid),
      onLost: ({ message }) => options.log.warn(`the database connection was lost (${message}); connecting again`),
    })
  }

  get id(): number {
    return this.#id
  }

  /** Registers the process and takes its lock. */
  async open(): Promise<void> {
    this.#id = await jobs.insertJob(this.#options.db, this.#options.kind, this.#options.dags)
    await this.#session.open()
    await jobs.heartbeat(this.#options.db, this.#id, this.#backendPid)
    this.#lastHeartbeat = Date.now()
  }

  /** Begins to listen and to look after the others; the first look is made before this returns. */
  async attend(listener: JobListener): Promise<void> {
    this.#listener = listener
    this.#timer = setInterval(() => this.#looking.ask(), LOOK_EVERY_MS)
    this.#looking.ask()
    await this.#looking.done()
  }

  /** A run had to be given up without being written: all that is stored as ours is given back at the next look. */
  abdicate(): void {
    this.#abdicating = true
    this.#lastHeartbeat = 0
  }

  async close(state: jobs.JobEnd, reason: string | null): Promise<void> {
    this.#ended = true
    clearInterval(this.#timer)
    await this.#looking.done()
    // The row first: a lock that goes while the row says "running" would look like a death.
    if (this.#id > 0) await this.#signOff(state, reason)
    await this.#session.close()
  }

  async #signOff(state: jobs.JobEnd, reason: string | null): Promise<void> {
    const { db, log } = this.#options
    await outlast(() => jobs.endJob(db, this.#id, state, reason), { forMs: SIGN_OFF_MS }).catch((error: Error) =>
      log.warn(`this process could not sign off (${error.message}); another one takes over what it owned`),
    )
  }

  #connected(backendPid: number | null): void {
    if (backendPid !== this.#backendPid) this.#lastHeartbeat = 0
    this.#backendPid = backendPid
    // What was said while nobody listened.
    this.#listener?.runsWaiting()
    this.#listener?.slotsFreed()
    this.#listener?.runChanged()
  }

  #heard(payload: string): void {
    if (payload === 'run') this.#listener?.runsWaiting()
    else if (payload === 'slot') this.#listener?.slotsFreed()
    else if (payload.startsWith('changed:')) this.#listener?.runChanged(Number(payload.slice('changed:'.length)))
  }

  async #renewAndBury(): Promise<void> {
    if (this.#ended) return
    const silentMs = Date.now() - this.#lastHeartbeat
    if (silentMs >= HEARTBEAT_EVERY_MS) await this.#renew()
    // Awake again after the machine slept: the others are about to renew theirs, and get the time for it.
    if (silentMs >= 2 * HEARTBEAT_EVERY_MS) return
    const { db } = this.#options
    const suspects = await jobs.findDeadJobs(db, this.#id)
    if (suspects.length === 0) return
    await delay(SECOND_LOOK_AFTER_MS)
    for (const dead of suspects) await this.#bury(dead)
  }

  async #renew(): Promise<void> {
    const { db, kind, dags, log } = this.#options
    if (this.#abdicating) await jobs.endJob(db, this.#id, 'failed', 'could not write what it owned')
    const alive = await jobs.heartbeat(db, this.#id, this.#backendPid)
    this.#lastHeartbeat = Date.now()
    if (alive || this.#ended) return
    const why = this.#abdicating ? 'could not write for too long' : 'was taken for dead'
    log.error({ job_id: this.#id }, `this process ${why} and its runs were given away; it goes on under a new id`)
    this.#id = await jobs.insertJob(db, kind, dags)
    this.#abdicating = false
    this.#session.renew()
    this.#listener?.deposed()
  }

  async #bury(dead: jobs.DeadJob): Promise<void> {
    const { db, log } = this.#options
    const buried = await jobs.buryJob(db, this.#id, dead)
    if (buried === undefined) return
    log.warn({ job_id: dead.job_id, ...buried }, `${dead.reason}; its runs are queued again`)
    if (buried.runs > 0) this.#listener?.runsWaiting()
  }
}
