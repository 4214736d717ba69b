import type { TryKey } from '../metadata/task-instances.ts'
import type { LogLine } from '../metadata/transitions.ts'
import { TryLog } from '../runner/try-log.ts'
import type { Report } from './protocol.ts'

/** Bytes of one message to the parent. */
const MESSAGE_BYTES = 256_000

/** Sends the log lines of a try to the parent, one message at a time. What the try logs faster than that is dropped. */
export class ChildLog {
  readonly lines: TryLog
  readonly #send: (report: Report) => Promise<void>
  #isClosed = false
  #sending: Promise<void> | undefined

  constructor(of: TryKey, send: (report: Report) => Promise<void>) {
    this.#send = send
    this.lines = new TryLog(of, () => {
      if (!this.#isClosed) this.#sending ??= this.#sendAll()
    })
  }

  /** From now on its lines are dropped: they would appear in the next try. */
  close(): void {
    this.#isClosed = true
  }

  /** Resolves when all lines so far are sent. */
  async flushed(): Promise<void> {
    await this.lines.end()
    await this.#sending
  }

  async #sendAll(): Promise<void> {
    // Lines that are logged without an await in between share a message.
    await undefined
    while (!this.lines.isEmpty) await this.#send({ kind: 'log', lines: this.lines.take(MESSAGE_BYTES).map(withoutKey) })
    this.#sending = undefined
  }
}

function withoutKey({ loggedAt, level, message, fields }: LogLine) {
  return { loggedAt, level, message, fields }
}
