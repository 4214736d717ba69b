import { setTimeout as delay } from 'node:timers/promises'
import type { Dag } from '../dag/dag.ts'
import { buildGraph } from '../dag/graph.ts'
import { isOver, type RunType } from '../dag/state.ts'
import { isOutage, outlast } from '../db/outage.ts'
import { TminusError } from '../errors.ts'
import { type Logger, watching } from '../log.ts'
import { type Claimable, claimRun, type DagRun, type Inserted, type NewDagRun, readRun } from '../metadata/dag-runs.ts'
import { registerDag } from '../metadata/dags.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { firstInstance } from '../metadata/task-instances.ts'
import type { LogLine, RunChange } from '../metadata/transitions.ts'
import { Admission } from './admission.ts'
import { ABANDON_AFTER_MS } from './execute.ts'
import type { Executor } from './executor.ts'
import type { Job, JobListener } from './job.ts'
import { OwnedRun, type RunResult } from './owned-run.ts'
import { newRunId } from './run-id.ts'
import { Turn } from './turn.ts'
import { Writer } from './writer.ts'

export interface Trigger {
  runType?: RunType
  logicalDate: Date
  conf?: Record<string, unknown>
  /** False: each task is tried once. */
  retries?: boolean
}

export interface RunnerOptions {
  /** In a process that stays, over connections that plan BY_INDEX. */
  db: Metadata
  job: Pick<Job, 'id' | 'abdicate'>
  dags: ReadonlyMap<string, Dag>
  executor: Executor
  log: Logger
  /** Told of every written change of a run owned here. What it throws is logged, and disturbs nothing. */
  onChange?: (run: OwnedRun, change: RunChange) => void
  /** Told of every line a task logs here, in the same way. */
  onLog?: (line: LogLine) => void
  /** Called once a run owned here has ended, and waited for when this process stops; what it throws is logged. */
  onEnd?: (run: OwnedRun, state: 'success' | 'failed') => Promise<void>
}

/** What a run needs of the process that owns it. */
export interface Owner extends Required<Omit<RunnerOptions, 'onEnd'>> {
  writer: Writer
  admission: Admission
  ended(run: OwnedRun, result: RunResult | Error): void
}

/** Owns runs and advances them. One a process. */
export class Runner implements JobListener {
  readonly #options: RunnerOptions
  readonly #writer: Writer
  readonly #admission: Admission
  readonly #owner: Owner
  readonly #runs = new Map<number, OwnedRun>()
  readonly #versions = new Map<string, Promise<number>>()
  /** Changed by somebody else, and not known here: perhaps of a run that is just being claimed. */
  readonly #missed = new Set<number>()
  readonly #ending = new Set<Promise<void>>()
  readonly #claiming: Turn
  #claimable: Claimable | undefined
  #mayClaim = false
  /** A claim broke off, so that one may have been made without our knowing. */
  #unsure = false
  #inserting = 0
  #taken = 0

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#writer = new Writer(options)
    const slots = options.executor.slots
    this.#admission = new Admission({ ...options, slots, idle: () => this.#mayClaim && this.#claiming.ask() })
    const onChange = watching(options.log, options.onChange)
    const onLog = watching(options.log, options.onLog)
    this.#owner = { ...options, writer: this.#writer, admission: this.#admission, ended: this.#ended, onChange, onLog }
    this.#claiming = new Turn(
      () => this.#claimAll(),
      // After an outage the session's new connection asks again.
      (error) => {
        this.#unsure = true
        if (!isOutage(error)) options.log.error({ err: error }, 'taking up a queued run failed')
      },
    )
  }

  /** Starts a run that this process owns from its first row on; it waits, queued, while its dag has no room. */
  async run(dag: Dag, trigger: Trigger): Promise<OwnedRun> {
    const run = await this.#describe(dag, trigger)
    const started = this.#admission.reserve(dag)
    let inserted: Inserted | undefined
    this.#inserting++
    try {
      inserted = await this.#writer.insert({ run, taskIds: dag.graph.taskIds, started })
    } finally {
      this.#inserting--
      this.#admission.freeSlots(started.size)
    }
    if (inserted === undefined)
      throw new TminusError(`There is a run ${run.runId} already`, { code: 'run_exists', retryable: false })
    const stored: DagRun = { ...run, ...inserted, jobId: this.#options.job.id, version: 0, reason: null, ranForMs: 0 }
    const owned = new OwnedRun(this.#owner, dag, dag.graph, stored, ++this.#taken, trigger.retries)
    this.#runs.set(stored.dagRunId, owned)
    const instances = dag.graph.taskIds.map((id) => firstInstance(id, started.has(id)))
    if (stored.state === 'running') owned.resume(stored, instances)
    else this.runsWaiting()
    return owned
  }

  /** From here on takes up queued runs whenever there is room; resolves once those waiting now were looked at. */
  async claim(claimable: Claimable): Promise<void> {
    this.#claimable = claimable
    this.runsWaiting()
    await this.#claiming.done()
  }

  /** Resolves when no run is owned here any more. */
  async idle(): Promise<void> {
    while (this.#runs.size > 0) await Promise.allSettled([...this.#runs.values()].map((run) => run.finished))
  }

  /** Ends every run owned here, with this reason; returns once that is written. */
  async stop(reason: string): Promise<void> {
    this.#claimable = undefined
    this.#admission.close()
    for (const run of this.#runs.values()) run.stop(reason)
    await this.#left()
  }

  /**
   * Starts nothing more, gives running tasks time to end, tells the rest to stop, and gives unfinished runs back for
   * another process. Returns how many those were. Nothing here uses the database any more after that.
   */
  async release(graceMs: number, reason: string): Promise<number> {
    this.#claimable = undefined
    this.#admission.close()
    await until(() => this.#admission.executing === 0, graceMs)
    await this.#claiming.done()
    for (const run of this.#runs.values()) run.interrupt(reason)
    await until(() => this.#admission.executing === 0, ABANDON_AFTER_MS)
    await this.#writer.drained()
    const left = [...this.#runs.values()]
    for (const run of left) run.release(reason)
    await this.#left()
    return left.length
  }

  /** One that is being read again leaves only after that. */
  async #left(): Promise<void> {
    await until(() => this.#runs.size === 0, ABANDON_AFTER_MS)
    await this.drained()
  }

  /** Resolves once everything decided and logged so far is written, and nobody is being told of an end any more. */
  async drained(): Promise<void> {
    await this.#writer.drained()
    await Promise.all(this.#ending)
  }

  runsWaiting(): void {
    this.#mayClaim = true
    this.#claiming.ask()
  }

  slotsFreed(): void {
    this.#admission.slotsFreed()
  }

  runChanged(dagRunId?: number): void {
    const changed = dagRunId === undefined ? [...this.#runs.values()] : [this.#runs.get(dagRunId)]
    for (const run of changed) run?.changedElsewhere()
    if (dagRunId !== undefined && !this.#runs.has(dagRunId)) this.#missed.add(dagRunId)
  }

  deposed(): void {
    for (const run of this.#runs.values()) run.lose('this process was taken for dead')
    this.runsWaiting()
  }

  /** One run after the other, as long as they do not only wait here for what others could do. */
  async #claimAll(): Promise<void> {
    while (this.#mayClaim && this.#claimable !== undefined && this.#admission.hasRoom) {
      this.#mayClaim = false
      this.#mayClaim = (await this.#claimOne(this.#claimable)) || this.#mayClaim
    }
  }

  async #claimOne(claimable: Claimable): Promise<boolean> {
    const { db, job, dags } = this.#options
    const running = [...this.#runs.values()].filter(({ run }) => run.state === 'running')
    const known = this.#unsure && this.#inserting === 0 ? running.map(({ run }) => run.dagRunId) : null
    this.#missed.clear()
    const id = await claimRun(db, job.id, claimable, known)
    if (id === undefined && known !== null) this.#unsure = false
    if (id === undefined) return false
    const stored = await outlast(() => readRun(db, id))
    const dag = dags.get(stored?.run.dagId ?? '')
    if (stored === undefined || dag === undefined) return false
    const { run, nodes, instances } = stored
    // Cancelled since it was claimed, and perhaps cleared: then it is not this process's any more, or it is over.
    if (run.state !== 'running' || run.jobId !== job.id) return true
    const found = () => new OwnedRun(this.#owner, dag, buildGraph(run.dagId, nodes), run, ++this.#taken)
    const owned = this.#runs.get(id) ?? found()
    this.#runs.set(id, owned)
    owned.resume(run, instances)
    if (this.#missed.has(id)) owned.changedElsewhere()
    return true
  }

  async #describe(dag: Dag, { runType = 'manual', logicalDate, conf = {} }: Trigger): Promise<NewDagRun> {
    const ids = { dagId: dag.id, dagVersionId: await this.#versionOf(dag), runId: newRunId(runType, logicalDate) }
    return { ...ids, runType, logicalDate, dataIntervalStart: logicalDate, conf }
  }

  #versionOf(dag: Dag): Promise<number> {
    const known = this.#versions.get(dag.id) ?? registerDag(this.#options.db, dag)
    this.#versions.set(dag.id, known)
    known.catch(() => this.#versions.delete(dag.id))
    return known
  }

  readonly #ended = (run: OwnedRun, result: RunResult | Error): void => {
    this.#runs.delete(run.run.dagRunId)
    this.runsWaiting()
    if (!(result instanceof Error)) this.#tellOfEnd(run, result)
    else this.#options.log.warn({ run_id: run.run.runId }, result.message)
    if (result instanceof TminusError && result.code === 'run_unwritable') this.#options.job.abdicate()
  }

  #tellOfEnd(run: OwnedRun, { state }: RunResult): void {
    const { log, onEnd } = this.#options
    if (onEnd === undefined || !isOver(state)) return
    const told = onEnd(run, state)
      .catch((err: Error) => log.error({ err, run_id: run.run.runId }, 'a callback failed; the run is not affected'))
      .finally(() => this.#ending.delete(told))
    this.#ending.add(told)
  }
}

async function until(met: () => boolean, ms: number): Promise<void> {
  const deadline = Date.now() + ms
  while (!met() && Date.now() < deadline) await delay(20)
}
