// This import comes first, because an old Node may fail to run the other modules.
import './check-node.cjs'
import './guarded.ts'
import { Command, CommanderError, Option } from 'commander'
import { TminusError } from '../errors.ts'
import { exitNow } from '../process-exit.ts'
import { VERSION } from '../version.ts'
import { addVerb } from './add-verb.ts'
import { failed, printError } from './failed.ts'
import { leaveTerminal } from './signals.ts'
import { addDb, addJobs, addPools } from './verbs/care-verbs.ts'
import { addDags, addRuns, addTasks } from './verbs/run-verbs.ts'
import { addUsers } from './verbs/user-verbs.ts'

/** Each verb imports its code only when it runs, so that `--help` is fast. A verb returns its exit code. */
function buildProgram(done: (code: number) => void): Command {
  const program = new Command('tminus')
    .description('Rocket launches into Postgres and onto Discord, run by a small DAG runner')
    .version(VERSION)
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ minWidthToWrap: 30 })
    .configureOutput({ outputError: (text) => printError(sentence(text)) })
  addVerb(program, 'pipeline', 'run a dag once, now, and wait for its end', 'rocket-launches')
    .argument('<dag>', 'id of the dag')
    .option('--conf <json>', 'params of the run, as a JSON object')
    .option('--json', 'print the run as one JSON object and nothing else')
    .option('--no-retry', 'try each task once')
    .action(async (dagId, options) => done(await (await import('./verbs/pipeline.ts')).pipeline(dagId, options)))
  addVerb(program, 'demo', 'run rocket-launches on sample launches; needs no network and no account')
    .option('--exit', 'end after the last run; on a terminal, the demo otherwise serves the board')
    .action(async (options) => done(await (await import('./verbs/demo.ts')).demo(options)))
  addDaemons(program, done)
  for (const add of [addDags, addRuns, addTasks, addPools, addJobs, addUsers, addDb]) add(program, done)
  return program
}

function addDaemons(program: Command, done: (code: number) => void): void {
  addVerb(program, 'start', 'run every dag on its schedule and serve the page, until you stop it')
    .option('--watch', 'when a dag changes, load it without a restart, as WATCH=on does')
    .addOption(supervised())
    .action(async (options) => done(await (await import('./verbs/start.ts')).start('start', options)))
  addVerb(program, 'scheduler', 'run the scheduler without the page; with EXECUTOR=local it also executes tasks')
    .addOption(supervised())
    .action(async (options) => done(await (await import('./verbs/start.ts')).start('scheduler', options)))
  addVerb(program, 'web', 'serve the page only; another process must execute the runs that it queues').action(
    async () => done(await (await import('./verbs/web.ts')).web()),
  )
  addVerb(program, 'worker', 'execute tasks for the schedulers; needs EXECUTOR=distributed')
    .addOption(supervised())
    .action(async (options) => done(await (await import('./verbs/worker.ts')).worker(options)))
}

/** Set by a parent with WATCH=on. */
function supervised(): Option {
  return new Option('--supervised').hideHelp()
}

/** Turns commander's `error: unknown command 'dag'` into a sentence. */
function sentence(text: string): string {
  return text
    .trimEnd()
    .replace(/^error: /, '')
    .replace(/^./, (first) => first.toUpperCase())
}

const USAGE = 2

async function main(argv: readonly string[]): Promise<number> {
  let code = 0
  const done = (result: number) => {
    code = result
  }
  const program = buildProgram(done)
  const word = argv[2]
  try {
    if (mayBeOfDag(program, word)) await (await import('./verbs-of-dags.ts')).addDagVerbs(program, word, done)
    await program.parseAsync(argv)
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE
    return failed(error)
  }
}

/** True if the word may be a verb of a dag. If not, no dag is loaded, so a slow dag does not delay built-in verbs. */
function mayBeOfDag(program: Command, word: string | undefined): boolean {
  if (word === undefined || word === '-h' || word === '--help') return true
  return !word.startsWith('-') && !program.commands.some((command) => command.name() === word)
}

/** True if the terminal was closed; false if the reader of a pipe has stopped reading (`| head`). */
const isTerminalGone = ({ code }: NodeJS.ErrnoException) => code === 'EIO' || code === 'ENXIO'

// A failure of standard error cannot be reported anywhere.
process.stderr.on('error', (error) => process.stderr.isTTY && isTerminalGone(error) && leaveTerminal())
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (process.stdout.isTTY && isTerminalGone(error)) leaveTerminal()
  else if (error.code !== 'EPIPE') {
    const message = `The output cannot be written: ${error.message}`
    exitNow(failed(new TminusError(message, { code: 'output', cause: error })))
  }
})
// A verb closes everything it opened, so the process ends by itself.
const exitCode = await main(process.argv)
process.exitCode = exitCode
// A verb closes everything it opened, so the process ends by itself. A task's code may have changed the exit code, so
// this sets it again.
process.once('beforeExit', () => {
  process.exitCode = exitCode
})
// A task that ignored its signal for 10 s (see `App.end`) keeps the process alive, so this ends the process.
setTimeout(() => exitNow(exitCode), 1_000).unref()
