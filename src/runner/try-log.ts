import { outsideTries } from '../blame.ts'
import { loggable } from '../db/loggable.ts'
import { MOST, storableText } from '../db/text.ts'
import { messageOf } from '../errors.ts'
import type { TryKey } from '../metadata/task-instances.ts'
import type { LoggedLine, LogLine } from '../metadata/transitions.ts'

/** The maximum size of the lines of a try that wait to be written, in bytes. */
const MAX_BYTES = 4_000_000
/** The bytes that a line counts in addition to its text. So about 9,000 short lines can wait. */
const LINE_BYTES = 400
/**
 * The smallest number of bytes that each write takes from each try. A try can end when at most this many bytes wait.
 */
export const TURN_BYTES = 16_000

/**
 * The log lines of one try that wait to be written. If the try logs faster than lines can be written, drops the excess
 * lines.
 */
export class TryLog {
  readonly #of: TryKey
  readonly #onAdded: (line: LogLine) => void
  readonly #lines: { line: LogLine; bytes: number }[] = []
  #bytes = 0
  #dropped = 0
  #onShort: (() => void) | undefined

  constructor(of: TryKey, onAdded: (line: LogLine) => void) {
    this.#of = of
    this.#onAdded = onAdded
  }

  /** True if the waiting lines fit into one write. */
  get isShort(): boolean {
    return this.#bytes <= TURN_BYTES
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0
  }

  /** A dropped line is only counted, not scrubbed or serialised. */
  add({ loggedAt, level, message, fields }: LoggedLine, scrub: (text: string) => string): void {
    if (this.#bytes >= MAX_BYTES) return void this.#dropped++
    const text = storableText(scrub(messageOf(message)), MOST.line)
    const stored = fields && loggable(fields, scrub)
    this.#mentionDropped()
    this.#push({ loggedAt, level, message: text, fields: stored })
  }

  /** Resolves when the log is short. The remaining lines are written before the end of the try or together with it. */
  end(): Promise<void> | undefined {
    this.#mentionDropped()
    return this.isShort ? undefined : new Promise((resolve) => (this.#onShort = resolve))
  }

  /** Removes and returns the oldest lines, about this many bytes. */
  take(most: number): LogLine[] {
    const until = this.#bytes - most
    let count = 0
    while (count < this.#lines.length && this.#bytes > until) this.#bytes -= this.#lines[count++]?.bytes ?? 0
    if (this.isShort) this.#onShort?.()
    return this.#lines.splice(0, count).map(({ line }) => line)
  }

  drop(): void {
    this.#dropped += this.take(Number.POSITIVE_INFINITY).length
  }

  #push({ loggedAt, level, message, fields }: LoggedLine): void {
    const line = { ...this.#of, loggedAt, level, message, fields }
    const bytes = LINE_BYTES + message.length + (fields ? JSON.stringify(fields).length : 0)
    this.#lines.push({ line, bytes })
    this.#bytes += bytes
    outsideTries(() => this.#onAdded(line))
  }

  #mentionDropped(): void {
    if (this.#dropped === 0) return
    const lines = this.#dropped === 1 ? '1 line was' : `${this.#dropped.toLocaleString('en')} lines were`
    const message = `${lines} not stored: the task logged faster than they could be written`
    this.#dropped = 0
    this.#push({ loggedAt: new Date(), level: 'warn', message, fields: undefined })
  }
}
