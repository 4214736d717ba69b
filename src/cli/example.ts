import { commandFor } from '../command-for.ts'

/** The last lines of a verb's `--help`. */
export function example(line: string): string {
  return `\nExample:\n  ${commandFor(line)}`
}
