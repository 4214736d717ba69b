import { setTimeout as delay } from 'node:timers/promises'
import { Abort } from '../abort.ts'
import { until } from '../clock.ts'
import { CoalescedWork } from '../coalesced-work.ts'
import type { Dag } from '../dag/dag.ts'
import { taskOf } from '../dag/map.ts'
import { inBatches, type Waiting, writeOrSplit } from '../db/batches.ts'
import { isOutage, logUnlessOutage, retryDuringOutage } from '../db/outage.ts'
import { messageOf, TminusError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { readOutput, type TryKey } from '../metadata/task-instances.ts'
import type { Ending, LogLine } from '../metadata/transitions.ts'
import { failure } from '../runner/active-run.ts'
import type { Executor, Report } from '../runner/executor.ts'
import type { JobContext, JobListener } from '../runner/process.ts'
import { interruption } from '../runner/tries.ts'
import { Writer } from '../runner/writer.ts'
import { type Claimed, claimTries, findDeadEngines, findStrays, stopServing, storeEngineId } from './claims.ts'
import { insertReports } from './reports.ts'

export interface TaskWorkerOptions extends JobContext {
  dags: ReadonlyMap<string, Dag>
  executor: Pick<Executor, 'execute'>
  /** `silentMs`: the time since the main thread renewed the lease. */
  job: JobContext['job'] & { readonly silentMs: number }
  /** Unlocks the jobs of dead engines. */
  unlock(engineIds: readonly string[]): Promise<void>
  log: Logger
}

/** The pause before the next claim if this process was declared dead and has no new job id yet. */
const DEAD_MS = 100
/**
 * How long a statement is repeated while the database is unreachable. After this time another process has taken over.
 */
const OUTAGE_MS = 3_600_000

/** If the owner of a run ends a try, it sends no notification. */
const LOOK_EVERY_MS = 500

/** A process without a renewed lease is replaced after 30 s. Shortly before, its tries end. */
const CUT_OFF_MS = 25_000

interface Running extends TryKey {
  abort: Abort
  /** True if it was aborted because this process is cut off: its failure is not reported. */
  isDropped?: boolean
}

/** Executes tries for the owners of runs. It claims each try, executes it, and reports how the try ended. */
export class TaskWorker implements JobListener {
  readonly #options: TaskWorkerOptions
  readonly #writer: Writer
  readonly #running = new Map<string, Running>()
  /** Tries that ended without a report. Until this process has a new job id, it could claim them again. */
  readonly #unreported = new Set<string>()
  readonly #claim = inBatches((tries: readonly Waiting<TryKey, Claimed | undefined>[]) => this.#claimAll(tries))
  readonly #store = inBatches((reports: readonly Waiting<Report, boolean>[]) => this.#storeAll(reports))
  readonly #looking: CoalescedWork
  #engineId: string | undefined
  /** The workers whose jobs this worker has unlocked after their end. */
  readonly #unlockedJobs = new Set<number>()
  /**
   * The reason for aborting all tries; set when this process ends. Tries that fail from now on are released, not
   * reported as failed.
   */
  #interruption: string | undefined
  #closed = false
  readonly #timer: NodeJS.Timeout

  constructor(options: TaskWorkerOptions) {
    this.#options = options
    const { db, job, log } = options
    this.#writer = new Writer({ db, job, log })
    this.#looking = new CoalescedWork(() => this.#look(), logUnlessOutage(log, 'looking for aborted tries failed'))
    this.#timer = setInterval(() => this.#check(), LOOK_EVERY_MS).unref()
  }

  /** Number of tries that run here. */
  get executing(): number {
    return this.#running.size
  }

  /** Executes a try from the queue. Does nothing if the try is no longer needed, or already runs. Never rejects. */
  async handle(key: TryKey): Promise<void> {
    const claimed = await this.#claim(key)
    if (claimed === undefined) return
    const { run, taskId, tryNumber } = claimed
    const fields = { dag_id: run.dagId, run_id: run.runId, task_id: taskId, try_number: tryNumber }
    this.#options.log.info(fields, 'running')
    const ending = await this.#execute(claimed, fields)
    const isCounted = await this.#report(claimed, ending)
    const level = !isCounted ? 'warn' : ending.state === 'failed' ? 'error' : 'info'
    const reason = ending.reason === null ? {} : { reason: ending.reason }
    this.#options.log[level](
      { ...fields, ...reason },
      isCounted ? ending.state : `${ending.state}, which is not counted`,
    )
  }

  /** The engine has started. It writes this id into the jobs that it locks. */
  async setEngineId(engineId: string): Promise<void> {
    const { db, job, log } = this.#options
    this.#engineId = engineId
    const store = () => storeEngineId(db, job.id, engineId)
    await retryDuringOutage(store, { forMs: OUTAGE_MS }).catch(
      logUnlessOutage(log, 'storing the id of the engine failed'),
    )
  }

  /** Waits up to `graceMs` for the running tries, aborts the rest, and waits up to `abandonMs` for them. */
  async drain(graceMs: number, reason: string, abandonMs: number): Promise<number> {
    const { db, job, log } = this.#options
    void stopServing(db, job.id).catch(logUnlessOutage(log, 'recording that this worker takes no new tries failed'))
    const ended = () => this.#running.size === 0
    await until(ended, graceMs)
    this.#interruption = reason
    const left = this.#running.size
    for (const { abort } of this.#running.values()) abort.abort(interruption(reason))
    await until(ended, abandonMs)
    this.#closed = true
    clearInterval(this.#timer)
    await this.#writer.drained()
    return left
  }

  runsWaiting(): void {}

  slotsFreed(): void {}

  runChanged(dagRunId?: number, parentTask?: string): void {
    if (parentTask !== undefined) return
    const isMine = [...this.#running.values()].some((one) => dagRunId === undefined || one.dagRunId === dagRunId)
    if (isMine) this.#looking.request()
  }

  reported(): void {
    this.#looking.request()
  }

  leaseLost(): void {
    this.#unreported.clear()
    const reason = 'the worker was declared dead'
    for (const { abort } of this.#running.values()) abort.abort(interruption(reason))
    if (this.#engineId !== undefined) void this.setEngineId(this.#engineId)
  }

  async #execute(claimed: Claimed, fields: object): Promise<Ending> {
    const { db, dags, executor, log, job } = this.#options
    const { run, taskId, tryNumber, isolated, failures, firstStartedAt } = claimed
    const dag = dags.get(run.dagId)
    const task = dag && taskOf(dag, taskId)
    if (dag === undefined || task === undefined)
      return failure(`task '${taskId}' is not in the code of dag '${run.dagId}' on this worker`)
    const abort = this.#running.get(keyOf(claimed))?.abort ?? new Abort()
    const show = ({ level, message, fields: own }: LogLine) => log[level]({ ...fields, ...own }, message)
    const tryLog = this.#writer.openLog({ dagRunId: run.dagRunId, taskId, tryNumber }, show)
    const readUpstream = (upstream: string) => retryDuringOutage(() => readOutput(db, run.dagRunId, upstream))
    const confirm = () => job.confirmAlive()
    const facts = { tryNumber, failures, firstStartedAt, isolated }
    const tools = { readOutput: readUpstream, confirm, log: tryLog }
    const ending = await executor.execute({ run, dag, task, ...facts, abort, ...tools })
    // Stores the log lines before the end of the try, so that a reader of the end can read all lines.
    await tryLog.end()
    await this.#writer.drained()
    await abort.codeEnded
    return ending
  }

  /** Returns false if the end does not count, because the try was taken back or this worker ends. */
  async #report(key: Claimed, { isStopping, ...ending }: Ending): Promise<boolean> {
    try {
      const isReleased = this.#interruption !== undefined || this.#running.get(keyOf(key))?.isDropped === true
      if (isReleased && ending.state === 'failed') {
        this.#unreported.add(keyOf(key))
        return false
      }
      return await this.#store(reportOf(key, ending))
    } finally {
      this.#running.delete(keyOf(key))
    }
  }

  /**
   * Claims all tries that wait at this moment, in one statement. A try that runs here at this moment is not claimed again:
   * the answer could be older than its report.
   */
  async #claimAll(waiting: readonly Waiting<TryKey, Claimed | undefined>[]): Promise<void> {
    const { db, job, log } = this.#options
    const isKnown = (key: string) => this.#running.has(key) || this.#unreported.has(key)
    const tries = waiting.map(({ item }) => item).filter((item) => !isKnown(keyOf(item)))
    const onWait = ({ message }: Error) => log.warn(`the database is unreachable (${message}); retrying`)
    for (;;) {
      if (this.#closed) throw new TminusError('this worker has ended', { code: 'worker_ended' })
      const jobId = job.id
      const claim = () => claimTries(db, jobId, tries)
      const { alive, claimed } = await retryDuringOutage(claim, { forMs: OUTAGE_MS, onWait })
      if (alive) return this.#claimed(waiting, claimed)
      await delay(DEAD_MS)
    }
  }

  /** Two calls may ask for the same try at the same time. */
  #claimed(waiting: readonly Waiting<TryKey, Claimed | undefined>[], claimed: readonly Claimed[]): void {
    const won = new Map(claimed.map((one) => [keyOf(one), one]))
    for (const { item, resolve } of waiting) {
      const key = keyOf(item)
      const one = this.#running.has(key) ? undefined : won.get(key)
      if (one !== undefined) this.#running.set(key, { ...item, abort: new Abort() })
      resolve(one)
    }
  }

  /** A try whose result the database refuses fails. */
  async #storeAll(waiting: readonly Waiting<Report, boolean>[]): Promise<void> {
    const { db, job } = this.#options
    const store = async (together: readonly Waiting<Report, boolean>[]) => {
      const reports = together.map(({ item }) => item)
      const stored = await retryDuringOutage(() => insertReports(db, job.id, reports), { forMs: OUTAGE_MS })
      const keys = new Set(stored.map(keyOf))
      for (const { item, resolve } of together) resolve(keys.has(keyOf(item)))
    }
    const refuse = (refused: readonly Waiting<Report, boolean>[], error: Error) => {
      const ending = failure(`its result could not be stored: ${messageOf(error)}`)
      for (const { item, resolve, reject } of refused) {
        if (isOutage(error) || item.ending.state === 'failed') reject(error)
        else this.#store(reportOf(item, ending)).then(resolve, reject)
      }
    }
    await writeOrSplit(waiting, store, refuse)
  }

  /** Aborts the tries that no longer run here according to the stored state, and unlocks the jobs of dead workers. */
  async #look(): Promise<void> {
    const { db, job, unlock } = this.#options
    const tries = [...this.#running.values()]
    for (const { reason, ...stray } of tries.length === 0 ? [] : await findStrays(db, job.id, tries))
      this.#running.get(keyOf(stray))?.abort.abort(interruption(reason ?? 'the try was taken back'))
    const dead = await findDeadEngines(db, [...this.#unlockedJobs])
    if (dead.length === 0) return
    await unlock(dead.map(({ engineId }) => engineId))
    for (const { jobId } of dead) this.#unlockedJobs.add(jobId)
  }

  #check(): void {
    const { job, log } = this.#options
    const open = [...this.#running.values()].filter(({ isDropped }) => !isDropped)
    if (open.length > 0) this.#looking.request()
    if (open.length === 0 || job.silentMs < CUT_OFF_MS) return
    const reason = 'the worker had no answer from the database for 25 s'
    log.error(`${reason}; its ${open.length} running tries are aborted, and released uncharged`)
    for (const one of open) Object.assign(one, { isDropped: true }).abort.abort(interruption(reason), true)
    job.stepDown()
  }
}

function keyOf({ dagRunId, taskId, tryNumber }: TryKey): string {
  return `${dagRunId} ${tryNumber} ${taskId}`
}

/** This is a wait instead of an instant, because the clock of the owner may differ. */
function reportOf({ dagRunId, taskId, tryNumber }: TryKey, ending: Ending): Report {
  const report = { dagRunId, taskId, tryNumber }
  if (ending.state !== 'up_for_reschedule') return { ...report, ending }
  const { dueAt, ...rest } = ending
  return { ...report, ending: { ...rest, waitMs: Math.max(0, dueAt.getTime() - Date.now()) } }
}
