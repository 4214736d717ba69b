import { isOutage, outlast } from '../db/outage.ts'
import type { Logger } from '../log.ts'
import type { LogLine } from '../metadata/logs.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { type RunChange, writeChanges } from '../metadata/transitions.ts'

/** A run with changes to write; asked for them at the last moment, so that waiting ones merge by themselves. */
export interface Source {
  takeChange(): RunChange | undefined
  /** Told whether the change it gave went in; an error says that the database refused it, alone. */
  written(change: RunChange, result: boolean | Error): void
}

/** How long the database may be away before what is under way is given up. */
const OUTAGE_MS = 60_000

/** How long a log line may wait for a transition to travel with. */
const LOG_DELAY_MS = 250

/**
 * One write at a time, each holding all that waited for the one before: under load many transitions share a commit,
 * alone a transition waits for nobody.
 */
export class Writer {
  readonly #db: Metadata
  readonly #job: { readonly id: number }
  readonly #log: Logger
  #dirty = new Set<Source>()
  #logs: LogLine[] = []
  #logTimer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined

  constructor(db: Metadata, job: { readonly id: number }, log: Logger) {
    this.#db = db
    this.#log = log
    this.#job = job
  }

  mark(source: Source): void {
    this.#dirty.add(source)
    this.#write()
  }

  log(line: LogLine): void {
    this.#logs.push(line)
    this.#logTimer ??= setTimeout(() => this.#write(), LOG_DELAY_MS)
  }

  /** Resolves once everything marked or logged so far is written. */
  async drained(): Promise<void> {
    this.#write()
    while (this.#writing !== undefined) await this.#writing
  }

  #write(): void {
    if (this.#writing !== undefined) return
    this.#writing = this.#writeAll().finally(() => {
      this.#writing = undefined
    })
  }

  async #writeAll(): Promise<void> {
    // Whatever else happens in this turn of the event loop goes into the same commit.
    await Promise.resolve()
    while (this.#dirty.size > 0 || this.#logs.length > 0) {
      const sources = [...this.#dirty]
      this.#dirty.clear()
      const taken = sources.flatMap((source) => {
        const change = source.takeChange()
        return change === undefined ? [] : [{ source, change }]
      })
      await this.#writeOnce(taken, this.#takeLogs())
    }
  }

  #takeLogs(): LogLine[] {
    clearTimeout(this.#logTimer)
    this.#logTimer = undefined
    const logs = this.#logs
    this.#logs = []
    return logs
  }

  async #writeOnce(taken: { source: Source; change: RunChange }[], logs: LogLine[]): Promise<void> {
    if (taken.length === 0 && logs.length === 0) return
    const changes = taken.map(({ change }) => change)
    try {
      const written = await outlast(() => writeChanges(this.#db, this.#job.id, changes, logs), {
        forMs: OUTAGE_MS,
        onWait: (error) => this.#log.warn({ err: error }, 'the database is away; waiting for it'),
      })
      for (const { source, change } of taken) source.written(change, written.has(change.dagRunId))
    } catch (error) {
      if (taken.length + logs.length === 1 || isOutage(error)) return this.#refused(taken, error as Error)
      // One bad row must not take the others with it: each once more, alone.
      for (const one of taken) await this.#writeOnce([one], [])
      for (const line of logs) await this.#writeOnce([], [line])
    }
  }

  #refused(taken: { source: Source; change: RunChange }[], error: Error): void {
    this.#log.error(
      { err: error },
      taken.length > 0 ? 'the database refused a change' : 'the database refused a log line',
    )
    for (const { source, change } of taken) source.written(change, error)
  }
}
