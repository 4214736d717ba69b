import type { Command } from 'commander'
import type { CommandHost } from '../commands.ts'
import { pipelinesDirOf, readEnvironment } from '../config.ts'
import type { Dag } from '../dag/dag.ts'
import { messageOf } from '../errors.ts'
import { type LoadedDags, loadDags } from '../load-dags.ts'
import { scrubber } from '../secrets.ts'
import { openCommandHost, stopSignal } from './command-host.ts'

/** The reason why a verb, or every verb of a dag, is missing. */
interface Problem {
  verb?: string
  message: string
}

/** The owner of each verb, by the verb's name. */
type Owners = Map<string, string>

/**
 * Adds the verbs of the dags to the built-in ones. A dag that cannot be loaded does not affect other verbs. It is
 * reported only if it may be the reason why the wanted verb is missing.
 *
 * @param word the first word of the command line, which is not a built-in verb
 */
export async function addDagVerbs(
  program: Command,
  word: string | undefined,
  done: (exitCode: number) => void,
): Promise<void> {
  const env = readEnvironment()
  const signal = stopSignal()
  const problems: Problem[] = []
  const owners: Owners = new Map(['help', ...program.commands.flatMap(namesOf)].map((name) => [name, 'T-minus itself']))
  const { dags, importErrors } = await load(pipelinesDirOf(env), problems)
  for (const { folder, message } of importErrors)
    problems.push({ message: `The dag in folder '${folder}' could not be loaded: ${message}` })
  for (const dag of dags.values()) {
    const verbs = await verbsOf(dag, program, openCommandHost(dag, env, { signal, done }), problems)
    for (const verb of verbs) add(program, verb, dag, owners, problems)
  }
  const known = word !== undefined && word !== 'help' && owners.has(word)
  const scrub = scrubber(env)
  for (const { verb, message } of problems) if (!known || verb === word) process.stderr.write(`✖ ${scrub(message)}\n`)
}

async function load(pipelinesDir: string, problems: Problem[]): Promise<LoadedDags> {
  return await loadDags(pipelinesDir).catch((error: unknown) => {
    problems.push({ message: messageOf(error) })
    return { dags: new Map(), files: new Map(), importErrors: [] }
  })
}

async function verbsOf(
  dag: Dag,
  program: Command,
  host: CommandHost,
  problems: Problem[],
): Promise<readonly Command[]> {
  // Register on a separate program: if the dag fails half-way, it adds no verb.
  const own = program.createCommand().copyInheritedSettings(program)
  try {
    await (await dag.commands?.())?.register?.(own, host)
    return own.commands
  } catch (error) {
    problems.push({ message: `The verbs of dag '${dag.id}' could not be loaded: ${messageOf(error)}` })
    return []
  }
}

function add(program: Command, verb: Command, dag: Dag, owners: Owners, problems: Problem[]): void {
  const names = namesOf(verb)
  const taken = names.find((name) => owners.has(name))
  if (taken !== undefined) {
    const message = `The verb '${taken}' of dag '${dag.id}' is ignored: ${owners.get(taken)} has a verb of that name`
    problems.push({ verb: taken, message })
    return
  }
  for (const name of names) owners.set(name, `dag '${dag.id}'`)
  program.addCommand(verb.helpGroup(`Verbs of dag ${dag.id}:`))
}

function namesOf(verb: Command): string[] {
  return [verb.name(), ...verb.aliases()]
}
