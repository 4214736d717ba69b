import { commandFor } from '../command-for.ts'

/** The end of a verb's `--help`. */
export function example(line: string): string {
  return `\nExample:\n  ${commandFor(line)}`
}
