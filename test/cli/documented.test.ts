import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { expect, test } from 'vitest'
import { addDb, addJobs, addPools } from '../../src/cli/verbs/care-verbs.ts'
import { addDags, addRuns, addTasks } from '../../src/cli/verbs/run-verbs.ts'
import { addUsers } from '../../src/cli/verbs/user-verbs.ts'

const program = new Command()
for (const add of [addDags, addRuns, addTasks, addPools, addJobs, addUsers, addDb]) add(program, () => {})
const VERBS = program.commands.flatMap((group) => group.commands.map((verb) => ({ group: group.name(), verb })))

test('docs/cli.md lists every verb', () => {
  const doc = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8')
  const listed = doc.split('\n').flatMap((line) => (line.startsWith('| `') ? verbsIn(line.split(' | ')[0] ?? '') : []))
  const missing = VERBS.map(({ group, verb }) => `${group} ${verb.name()}`).filter((name) => !listed.includes(name))
  expect(missing, 'verbs without a row in docs/cli.md').toEqual([])
})

test('the help of every verb ends with an example', () => {
  const without = VERBS.filter(({ verb }) => !helpOf(verb).includes('\nExample:\n  '))
  expect(without.map(({ group, verb }) => `${group} ${verb.name()}`)).toEqual([])
})

/** `dags list` and `dags show` of "| `dags list`, `show ID`". */
function verbsIn(cell: string): string[] {
  let group = ''
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, line = '']) => {
    const [first = '', second = ''] = line.split(' ')
    if (!program.commands.some((command) => command.name() === first)) return `${group} ${first}`
    group = first
    return `${first} ${second}`
  })
}

function helpOf(verb: Command): string {
  let text = ''
  verb.configureOutput({ writeOut: (part) => (text += part) })
  verb.outputHelp()
  return text
}
