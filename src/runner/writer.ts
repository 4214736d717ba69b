import { isOutage, outlast } from '../db/outage.ts'
import { type DagRun, type Inserted, type Insertion, insertRuns } from '../metadata/dag-runs.ts'
import { type LogLine, type RunChange, writeChanges } from '../metadata/transitions.ts'
import type { JobContext } from './job.ts'
import { Turn } from './turn.ts'

/** A run with changes to write; asked for them at the last moment, so that waiting ones merge by themselves. */
export interface Source {
  readonly run: Pick<DagRun, 'previous'>
  takeChange(): RunChange | undefined
  /** Told whether the change it gave went in; an error says that the database refused it, alone. */
  written(change: RunChange, result: boolean | Error): void
}

interface Waiting {
  insertion: Insertion
  resolve(run: Inserted | undefined): void
  reject(error: Error): void
}

type Item = { source: Source; change: RunChange } | LogLine

const INSERTED_AT_ONCE = 100
/** How long a log line may wait for a transition to travel with. */
const LOG_DELAY_MS = 250

/**
 * One write at a time, each holding all that waited for the one before: under load many transitions share a commit,
 * alone a transition waits for nobody. New runs are inserted in the same way.
 */
export class Writer {
  readonly #options: JobContext
  readonly #dirty = new Set<Source>()
  readonly #writing: Turn
  readonly #inserting: Turn
  #logs: LogLine[] = []
  #logTimer: NodeJS.Timeout | undefined
  /** By the version of their dag, which one statement can insert together. */
  readonly #waiting = new Map<number, Waiting[]>()

  constructor(options: JobContext) {
    this.#options = options
    const failed = (error: Error) => options.log.error({ err: error }, 'writing failed')
    this.#writing = new Turn(() => this.#write(), failed)
    this.#inserting = new Turn(() => this.#insert(), failed)
  }

  /** Undefined where there is such a run already. */
  insert(insertion: Insertion): Promise<Inserted | undefined> {
    return new Promise((resolve, reject) => {
      const { dagVersionId } = insertion.run
      const alike = this.#waiting.get(dagVersionId) ?? []
      alike.push({ insertion, resolve, reject })
      this.#waiting.set(dagVersionId, alike)
      this.#inserting.ask()
    })
  }

  mark(source: Source): void {
    this.#dirty.add(source)
    this.#writing.ask()
  }

  log(line: LogLine): void {
    this.#logs.push(line)
    this.#logTimer ??= setTimeout(() => this.#writing.ask(), LOG_DELAY_MS)
  }

  /** Resolves once everything marked or logged so far is written. */
  async drained(): Promise<void> {
    this.#writing.ask()
    await this.#writing.done()
  }

  async #insert(): Promise<void> {
    const { db, job } = this.#options
    const insert = async (waiting: readonly Waiting[]) => {
      const insertions = waiting.map(({ insertion }) => insertion)
      const inserted = new Map((await insertRuns(db, job.id, insertions)).map((run) => [run.runId, run]))
      for (const { insertion, resolve } of waiting) resolve(inserted.get(insertion.run.runId))
    }
    for (const [dagVersionId, waiting] of this.#waiting) {
      this.#waiting.delete(dagVersionId)
      while (waiting.length > 0) {
        await together(waiting.splice(0, INSERTED_AT_ONCE), insert, (refused, error) => {
          for (const { reject } of refused) reject(error)
        })
      }
    }
  }

  async #write(): Promise<void> {
    clearTimeout(this.#logTimer)
    this.#logTimer = undefined
    const items: Item[] = this.#logs.splice(0)
    for (const source of this.#dirty) {
      const change = source.takeChange()
      if (change !== undefined) items.push({ source, change })
    }
    this.#dirty.clear()
    await together(items, this.#writeOnce, (refused, error) => this.#refused(refused, error))
  }

  readonly #writeOnce = async (items: readonly Item[]): Promise<void> => {
    const { db, job, log } = this.#options
    const taken = items.filter((item) => 'change' in item)
    const logs = items.filter((item) => 'message' in item)
    const changes = taken.map(({ change }) => change)
    const onWait = ({ message }: Error) => log.warn(`the database is away (${message}); waiting for it`)
    const written = await outlast(() => writeChanges(db, job.id, changes, logs), { onWait })
    for (const { source, change } of taken) {
      const found = written.get(change.dagRunId)
      if (found?.starts) source.run.previous = found.previous
      source.written(change, found !== undefined)
    }
  }

  #refused(items: readonly Item[], error: Error): void {
    const changes = items.filter((item) => 'change' in item)
    this.#options.log.error({ err: error }, `the database refused a ${changes.length > 0 ? 'change' : 'log line'}`)
    for (const { source, change } of changes) source.written(change, error)
  }
}

/** All in one write. Where the database refuses it, each half is written by itself: so what is refused is found. */
async function together<T>(
  items: readonly T[],
  write: (items: readonly T[]) => Promise<void>,
  refused: (items: readonly T[], error: Error) => void,
): Promise<void> {
  try {
    if (items.length > 0) await write(items)
  } catch (error) {
    if (items.length === 1 || isOutage(error)) return refused(items, error as Error)
    const middle = items.length >> 1
    await together(items.slice(0, middle), write, refused)
    await together(items.slice(middle), write, refused)
  }
}
