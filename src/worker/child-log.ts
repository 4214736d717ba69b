import type { LoggedLine, Report } from './protocol.ts'

/** Lines that wait in the child while the parent is slower than the task; further lines are dropped. */
const MAX_LINES = 10_000
const MAX_CHARACTERS = 8_000_000
/** Of one message to the parent. */
const BATCH_LINES = 500
const BATCH_CHARACTERS = 256_000

/** Sends the log lines of a try to the parent, one message at a time. */
export class ChildLog {
  readonly #send: (report: Report) => Promise<void>
  #waiting: { line: LoggedLine; size: number }[] = []
  #size = 0
  #dropped = 0
  #sending: Promise<void> | undefined

  constructor(send: (report: Report) => Promise<void>) {
    this.#send = send
  }

  add({ loggedAt, level, message, fields }: LoggedLine): void {
    const size = message.length + (fields === undefined ? 0 : JSON.stringify(fields).length)
    if (this.#waiting.length >= MAX_LINES || this.#size + size > MAX_CHARACTERS) this.#dropped++
    else {
      this.#waiting.push({ line: { loggedAt, level, message, fields }, size })
      this.#size += size
    }
    this.#sending ??= this.#sendAll()
  }

  /** Resolves when all lines so far are sent. */
  async flushed(): Promise<void> {
    await this.#sending
  }

  async #sendAll(): Promise<void> {
    // Lines that are logged without an await in between share a message.
    await undefined
    while (this.#waiting.length > 0) await this.#send({ kind: 'log', lines: this.#nextBatch() })
    this.#sending = undefined
    if (this.#dropped === 0) return
    const message = `${this.#dropped} log lines were dropped, because the task logs faster than they can be stored`
    this.#dropped = 0
    this.add({ loggedAt: new Date(), level: 'warn', message, fields: undefined })
    await this.#sending
  }

  #nextBatch(): LoggedLine[] {
    let [count, size] = [0, 0]
    for (const one of this.#waiting) {
      if (count === BATCH_LINES || (count > 0 && size + one.size > BATCH_CHARACTERS)) break
      count++
      size += one.size
    }
    this.#size -= size
    return this.#waiting.splice(0, count).map(({ line }) => line)
  }
}
