// First: an old Node may not even be able to run what is imported below.
import { example } from './example.ts'
import './check-node.cjs'
import './guarded.ts'
import { Command, CommanderError } from 'commander'
import { commandFor } from '../command-for.ts'
import { TminusError, UsageError } from '../errors.ts'
import { exitNow } from '../process-exit.ts'
import { VERSION } from '../version.ts'
import { complain, failed } from './failed.ts'
import { leaveTerminal } from './signals.ts'
import { addDb, addJobs, addPools } from './verbs/care-verbs.ts'
import { addDags, addRuns, addTasks } from './verbs/run-verbs.ts'
import { addUsers } from './verbs/user-verbs.ts'

/** Each verb loads its own code, so that `--help` and a typing error cost nothing. A verb returns its exit code. */
function buildProgram(done: (code: number) => void): Command {
  const program = new Command('tminus')
    .description('Rocket launches into Postgres and onto Discord, run by a small DAG runner')
    .version(VERSION)
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ minWidthToWrap: 30 })
    .configureOutput({ outputError: (text) => complain(sentence(text)) })
  program
    .command('pipeline')
    .description('run a dag once, now, to its end')
    .argument('<dag>', 'id of the dag')
    .option('--conf <json>', 'params of the run, a JSON object')
    .option('--json', 'print the run as one JSON object and nothing else')
    .option('--no-retry', 'try each task once')
    .addHelpText('after', example('pipeline rocket-launches'))
    .action(async (dagId, options) => done(await (await import('./verbs/pipeline.ts')).pipeline(dagId, options)))
  program
    .command('demo')
    .description('show the rocket-launches pipeline on sample launches, without network or account')
    .addHelpText('after', example('demo'))
    .action(async () => done(await (await import('./verbs/demo.ts')).demo()))
  addDaemons(program, done)
  for (const add of [addDags, addRuns, addTasks, addPools, addJobs, addUsers, addDb]) add(program, done)
  return program
}

function addDaemons(program: Command, done: (code: number) => void): void {
  program
    .command('start')
    .description('run every dag by its schedule and show the page, until stopped')
    .addHelpText('after', example('start'))
    .action(async () => done(await (await import('./verbs/start.ts')).start('start')))
  program
    .command('scheduler')
    .description('the scheduler alone; with EXECUTOR=local it executes too')
    .addHelpText('after', example('scheduler'))
    .action(async () => done(await (await import('./verbs/start.ts')).start('scheduler')))
  program
    .command('web')
    .description('the page alone: shows and queues, and executes nothing')
    .addHelpText('after', example('web'))
    .action(async () => done(await (await import('./verbs/web.ts')).web()))
  program
    .command('worker')
    .description('not built yet')
    .action(() => {
      throw new UsageError(
        `worker is not built yet; ${commandFor('start')} runs scheduler, executor and page in one process`,
      )
    })
}

/** commander's `error: unknown command 'dag'` as we begin ours. */
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
    if (mayBeOfDag(program, word)) await (await import('./verbs/dag-verbs.ts')).addDagVerbs(program, word, done)
    await program.parseAsync(argv)
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE
    return failed(error)
  }
}

/** Pipelines are loaded only where one of them may be meant, so that none that is broken or slow is in the way. */
function mayBeOfDag(program: Command, word: string | undefined): boolean {
  if (word === undefined || word === '-h' || word === '--help') return true
  return !word.startsWith('-') && !program.commands.some((command) => command.name() === word)
}

/** Not the reader of a pipe, who may have had enough of it (`| head`): a terminal that was closed. */
const isTerminalGone = ({ code }: NodeJS.ErrnoException) => code === 'EIO' || code === 'ENXIO'

// There is no other place to report it to.
process.stderr.on('error', (error) => process.stderr.isTTY && isTerminalGone(error) && leaveTerminal())
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (process.stdout.isTTY && isTerminalGone(error)) leaveTerminal()
  else if (error.code !== 'EPIPE') {
    const message = `The output cannot be written: ${error.message}`
    exitNow(failed(new TminusError(message, { code: 'output', cause: error })))
  }
})
// Nothing here keeps the process alive on purpose: what was opened is closed, so a verb that is done ends by itself.
process.exitCode = await main(process.argv)
// Save a task that was told to stop and does not: it had its 10 s (`App.end`) and is left behind.
setTimeout(() => exitNow(), 1_000).unref()
