import { MOST } from '../db/text.ts'

/**
 * Splits the output of a child into lines, and finds the line that marks the end of a try. A line that is too long is
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

  constructor(onLine: (line: string) => void, onMark: () => void) {
    this.#onLine = onLine
    this.#onMark = onMark
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
