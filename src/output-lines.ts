import type { Readable } from 'node:stream'
import { MOST } from './db/text.ts'

/**
 * After this much output, the reader pauses before it reads more, so that a flood of output does not occupy this
 * process. Each line costs as much as some bytes, because a flood may consist of very short lines.
 */
const READ_BYTES = 64 * 1024
const LINE_BYTES = 30
const READ_PAUSE_MS = 10

/**
 * Splits the output of a process into lines, and finds the line that marks the end of a try. A line that is too long is
 * cut; empty lines are dropped.
 */
export class OutputLines {
  readonly #onLine: (line: string) => void
  readonly #onMark: () => void
  #rest = ''
  /** True while the rest of a line that is too long arrives. */
  #skipping = false
  /** The line that ends a try. */
  mark: string | undefined

  constructor(onLine: (line: string) => void, onMark: () => void = () => {}) {
    this.#onLine = onLine
    this.#onMark = onMark
  }

  /** Reads a stream to its end, at most about 6 MB a second. */
  readFrom(stream: Readable): void {
    let read = 0
    stream.setEncoding('utf8').on('error', () => {})
    stream.on('data', (chunk: string) => {
      read += chunk.length + LINE_BYTES * this.push(chunk)
      const pauses = Math.floor(read / READ_BYTES)
      if (pauses === 0) return
      read = 0
      stream.pause()
      setTimeout(() => stream.resume(), READ_PAUSE_MS * pauses)
    })
  }

  /** Returns the number of lines that ended in this chunk. */
  push(chunk: string): number {
    const lines = chunk.split('\n')
    const last = lines.pop() ?? ''
    for (const line of lines) {
      this.#keep(line)
      this.flush()
    }
    this.#keep(last)
    return lines.length
  }

  /** Call this when the text so far is a whole line. */
  flush(): void {
    const line = this.#rest.endsWith('\r') ? this.#rest.slice(0, -1) : this.#rest
    this.#rest = ''
    this.#skipping = false
    if (line !== '' && line === this.mark) this.#onMark()
    else if (line !== '') this.#onLine(line)
  }

  #keep(text: string): void {
    if (this.#skipping) return
    this.#rest += text
    if (this.#rest.length <= MOST.line) return
    this.#rest = `${this.#rest.slice(0, MOST.line)}…`
    this.#skipping = true
  }
}
