import { CoalescedWork } from '../coalesced-work.ts'
import { inBatches, type Waiting, writeOrSplit } from '../db/batches.ts'
import { isOutage, retryDuringOutage } from '../db/outage.ts'
import { type Inserted, type Insertion, insertRuns } from '../metadata/dag-runs.ts'
import type { TryKey } from '../metadata/task-instances.ts'
import { type LogLine, type RunChange, writeChanges } from '../metadata/transitions.ts'
import type { Executor } from './executor.ts'
import type { OwnedRun } from './owned-run.ts'
import type { JobContext } from './process.ts'
import { TryLog, TURN_BYTES } from './try-log.ts'

export type WriterOptions = JobContext & { executor?: Pick<Executor, 'handOver'> }

type NewRun = Waiting<Insertion, Inserted | undefined>

type Item = { source: OwnedRun; change: RunChange } | LogLine

const MAX_INSERTED_TOGETHER = 100
/** The time that a log line waits for a transition that can share its write. */
const LOG_DELAY_MS = 250
/** The log lines of one write take about this many bytes. */
const LOG_BYTES = 256_000

/**
 * Writes one statement at a time. Changes that arrive during a write share the next statement. So many transitions
 * share a commit under load, and a single transition is written at once. New runs are inserted in the same way.
 */
export class Writer {
  /** Inserts a run. Resolves to undefined if a run with this id or tick already exists. */
  readonly insert = inBatches((runs: readonly NewRun[]) => this.#insert(runs))
  readonly #options: WriterOptions
  readonly #dirty = new Set<OwnedRun>()
  readonly #writing: CoalescedWork
  readonly #logs = new Set<TryLog>()
  #logTimer: NodeJS.Timeout | undefined

  constructor(options: WriterOptions) {
    this.#options = options
    const failed = (error: Error) => options.log.error({ err: error }, 'writing failed')
    this.#writing = new CoalescedWork(() => this.#write(), failed)
  }

  mark(source: OwnedRun): void {
    this.#dirty.add(source)
    this.#writing.request()
  }

  /** @param show called for each line that is not dropped */
  openLog(of: TryKey, show: (line: LogLine) => void): TryLog {
    const log = new TryLog(of, (line) => {
      this.#logs.add(log)
      if (log.isShort) this.#logTimer ??= setTimeout(() => this.#writing.request(), LOG_DELAY_MS)
      else this.#writing.request()
      show(line)
    })
    return log
  }

  /** Resolves when all marked changes and log lines are written. */
  drained(): Promise<void> {
    return this.#writing.now()
  }

  /** One statement inserts runs of one dag. */
  async #insert(runs: readonly NewRun[]): Promise<void> {
    const { db, job } = this.#options
    const insert = async (together: readonly NewRun[]) => {
      const insertions = together.map(({ item }) => item)
      const inserted = new Map((await insertRuns(db, job.id, insertions)).map((run) => [run.runId, run]))
      for (const { item, resolve } of together) resolve(inserted.get(item.runId))
    }
    const refuse = (refused: readonly NewRun[], error: Error) => {
      for (const { reject } of refused) reject(error)
    }
    for (const dagId of new Set(runs.map(({ item }) => item.dagId))) {
      const alike = runs.filter(({ item }) => item.dagId === dagId)
      while (alike.length > 0) await writeOrSplit(alike.splice(0, MAX_INSERTED_TOGETHER), insert, refuse)
    }
  }

  async #write(): Promise<void> {
    clearTimeout(this.#logTimer)
    this.#logTimer = undefined
    const items: Item[] = this.#takeLines()
    for (const source of this.#dirty) {
      const change = source.takeChange()
      if (change !== undefined) items.push({ source, change })
    }
    this.#dirty.clear()
    await writeOrSplit(items, this.#writeOnce, (refused, error) => this.#refused(refused, error))
  }

  /**
   * The writer writes a part of each try's lines at a time, so that no change waits for a long log. If lines remain,
   * the next write follows.
   */
  #takeLines(): LogLine[] {
    const most = Math.max(TURN_BYTES, LOG_BYTES / this.#logs.size)
    const lines = [...this.#logs].flatMap((log) => log.take(most))
    for (const log of this.#logs) if (log.isEmpty) this.#logs.delete(log)
    if (this.#logs.size > 0) this.#writing.request()
    return lines
  }

  readonly #writeOnce = async (items: readonly Item[]): Promise<void> => {
    const { db, job, log, executor } = this.#options
    const handOver = executor?.handOver?.sql
    const taken = items.filter((item) => 'change' in item)
    const logs = items.filter((item) => 'message' in item)
    const changes = taken.map(({ change }) => change)
    const onWait = ({ message }: Error) => log.warn(`the database is unreachable (${message}); retrying`)
    const written = await retryDuringOutage(() => writeChanges(db, job.id, changes, logs, handOver), { onWait })
    for (const { source, change } of taken) {
      const found = written.get(change.dagRunId)
      if (found?.starts) source.run.previous = found.previous
      source.written(change, found !== undefined)
    }
  }

  #refused(items: readonly Item[], error: Error): void {
    const changes = items.filter((item) => 'change' in item)
    if (isOutage(error)) for (const log of this.#logs) log.drop()
    this.#options.log.error({ err: error }, `the database refused a ${changes.length > 0 ? 'change' : 'log line'}`)
    for (const { source, change } of changes) source.written(change, error)
  }
}
