import { Writable } from 'node:stream'
import type { LogTarget } from '../../log.ts'
import { visibleText } from '../../visible-text.ts'

/** Lines that stay, above a block that is drawn again in place; where there is no terminal, only lines that stay. */
export class Screen {
  readonly live = process.stdout.isTTY === true
  /** As last drawn, and still to be seen. */
  #block: readonly string[] = []

  /** Of the terminal; without end elsewhere. */
  get columns(): number {
    return this.live ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY
  }

  /** How many lines fit above the one the cursor waits in. */
  get rows(): number {
    return (process.stdout.rows || 24) - 1
  }

  print(lines: readonly string[]): void {
    this.#write(lines, this.#block)
  }

  draw(block: readonly string[]): void {
    if (this.live) this.#write([], block)
  }

  /** What is drawn now stays. */
  keep(): void {
    this.#block = []
  }

  /** For what is written line by line meanwhile. */
  stream(): LogTarget {
    const write = (text: Buffer, _encoding: unknown, done: () => void) => {
      this.print(text.toString().trimEnd().split('\n'))
      done()
    }
    return Object.assign(new Writable({ write }), { isTTY: true })
  }

  /** In one piece, so that nothing flickers. */
  #write(lines: readonly string[], block: readonly string[]): void {
    // A terminal made narrower since has broken the lines of the block.
    const drawn = this.#block.reduce((sum, line) => sum + Math.max(1, Math.ceil(columnsOf(line) / this.columns)), 0)
    // Not always from the line's beginning: a Ctrl-C is echoed as ^C.
    const erase = drawn > 0 ? `\r\u001b[${drawn}A\u001b[0J` : ''
    process.stdout.write(erase + [...lines, ...block].map((line) => `${line}\n`).join(''))
    this.#block = block
  }
}

/** Breaks at spaces into lines of at most so many columns; a word longer than that is left to the terminal. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const whole of text.split('\n')) {
    let line = ''
    for (const word of whole.split(/(?<=\S)(?=\s)/)) {
      if (line !== '' && columnsOf(line + word) > columns) {
        lines.push(line)
        line = word.trimStart()
      } else line += word
    }
    lines.push(line)
  }
  return lines
}

/** What others wrote must not move the cursor, nor hide or turn what is beside it. */
export function printable(text: string): string {
  return visibleText(text).replaceAll('\t', ' ')
}

/** Columns a text takes: colour codes none, East Asian characters and emoji two. */
export function columnsOf(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what is looked for
  const seen = text.replaceAll(/\u001b\[[0-9;]*m|[\p{Mn}\p{Cf}]/gu, '')
  return [...seen].length + [...seen.matchAll(WIDE)].length
}

const WIDE =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{20000}-\u{3FFFD}]|\p{Emoji_Presentation}/gu
