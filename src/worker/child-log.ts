import type { TryKey } from '../metadata/task-instances.ts'
import type { LogLine } from '../metadata/transitions.ts'
import { TryLog } from '../runner/try-log.ts'
import type { Report } from './protocol.ts'

/** The maximum size of one message to the parent, in bytes. */
const MESSAGE_BYTES = 256_000

/** The number of messages that may be unconfirmed at the same time. */
const MOST_SENT = 32

/**
 * Sends the log lines of a try to the parent. It sends the first lines at once, so that they are not lost if the task
 * then blocks or is killed. If the parent is slow, it puts several lines into one message. Lines that do not fit into
 * the log in the meantime are dropped.
 */
export class ChildLog {
  readonly lines: TryLog
  readonly #send: (report: Report) => Promise<void>
  #isClosed = false
  readonly #sent = new Set<Promise<void>>()

  constructor(of: TryKey, send: (report: Report) => Promise<void>) {
    this.#send = send
    this.lines = new TryLog(of, () => this.#sendNext())
  }

  /** Drops all further lines of this try, because they would appear in the next try. */
  close(): void {
    this.#isClosed = true
  }

  /** Resolves when all lines so far are sent. */
  async flushed(): Promise<void> {
    await this.lines.end()
    while (this.#sent.size > 0) await Promise.all(this.#sent)
  }

  #sendNext(): void {
    while (!this.#isClosed && !this.lines.isEmpty && this.#sent.size < MOST_SENT) {
      const sent = this.#send({ kind: 'log', lines: this.lines.take(MESSAGE_BYTES).map(withoutKey) }).then(() => {
        this.#sent.delete(sent)
        this.#sendNext()
      })
      this.#sent.add(sent)
    }
  }
}

function withoutKey({ loggedAt, level, message, fields }: LogLine) {
  return { loggedAt, level, message, fields }
}
