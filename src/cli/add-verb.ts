import type { Command } from 'commander'
import { commandFor } from '../command-for.ts'

/** Adds a verb to the program or to a group of verbs. Its `--help` ends with an example, which calls it with `args`. */
export function addVerb(parent: Command, name: string, description: string, args = ''): Command {
  const words = [...(parent.parent === null ? [] : [parent.name()]), name, ...(args === '' ? [] : [args])]
  const example = `\nExample:\n  ${commandFor(words.join(' '))}`
  return parent.command(name).description(description).addHelpText('after', example)
}
