import { Writable } from 'node:stream'
import type { LogTarget } from '../../log.ts'
import { columnsOf } from '../../terminal-text.ts'
import { visibleText } from '../../visible-text.ts'

/**
 * Printed lines, with a block below them that is redrawn in place. Without a terminal only the lines are written.
 *
 * (log-update 7.2.0, the last version for Node 20, erases as many lines as it wrote. When the terminal is made
 * narrower, those lines break into more, and a part of the old block stays on the screen.)
 */
export class Screen {
  readonly live = process.stdout.isTTY === true
  /** The block on the screen, as last drawn. */
  #block: readonly string[] = []

  get columns(): number {
    return terminalColumns()
  }

  /** Lines that fit above the cursor's line. */
  get rows(): number {
    return (process.stdout.rows || 24) - 1
  }

  print(lines: readonly string[]): void {
    this.#write(lines, this.#block)
  }

  draw(block: readonly string[]): void {
    if (this.live) this.#write([], block)
  }

  /** Leaves the block unchanged on the screen. The next block is drawn below it. */
  keep(): void {
    this.#block = []
  }

  /** A log target that prints above the block. */
  stream(): LogTarget {
    const write = (text: Buffer, _encoding: unknown, done: () => void) => {
      this.print(text.toString().trimEnd().split('\n'))
      done()
    }
    return Object.assign(new Writable({ write }), { isTTY: true })
  }

  /** Writes everything in one call, so that the block does not flicker. */
  #write(lines: readonly string[], block: readonly string[]): void {
    // If the terminal was made narrower, each line of the block may have broken into several.
    const drawn = this.#block.reduce((sum, line) => sum + Math.max(1, Math.ceil(columnsOf(line) / this.columns)), 0)
    // The cursor may not be in the first column: the terminal echoes Ctrl-C as ^C.
    const erase = drawn > 0 ? `\r\u001b[${drawn}A\u001b[0J` : ''
    process.stdout.write(erase + [...lines, ...block].map((line) => `${line}\n`).join(''))
    this.#block = block
  }
}

/** The width of the terminal in columns; infinite if the stream is a pipe or a file. */
export function terminalColumns(stream: NodeJS.WriteStream = process.stdout): number {
  return stream.isTTY ? stream.columns || 80 : Number.POSITIVE_INFINITY
}

/** Makes external text safe for a terminal: it cannot move the cursor, or hide or reverse the text beside it. */
export function printable(text: string): string {
  return visibleText(text).replaceAll('\t', ' ')
}
