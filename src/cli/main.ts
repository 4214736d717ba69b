#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { TminusError } from '../errors.ts'
import { VERSION } from '../version.ts'
import { failed } from './failed.ts'
import { outputOption } from './output-option.ts'

/** Each verb loads its own code, so that `--help` and a typing error cost nothing. A verb returns its exit code. */
function buildProgram(done: (code: number) => void): Command {
  const program = new Command('tminus')
    .description('Rocket launches into Postgres and onto Discord, run by a small DAG runner')
    .version(VERSION)
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })

  program
    .command('pipeline')
    .description('run a dag once, now, to its end')
    .argument('<dag>', 'id of the dag')
    .option('--conf <json>', 'params of the run, a JSON object')
    .option('--json', 'print the run as one JSON object and nothing else')
    .option('--no-retry', 'try each task once')
    .addHelpText('after', '\nExample:\n  npm run pipeline rocket-launches')
    .action(async (dagId, options) => done(await (await import('./pipeline.ts')).pipeline(dagId, options)))

  program
    .command('demo')
    .description('show the rocket-launches pipeline on sample launches, without network or account')
    .action(async () => done(await (await import('./demo.ts')).demo()))

  program
    .command('start')
    .description('run every dag by its schedule until stopped')
    .action(async () => done(await (await import('./start.ts')).start('start')))

  program
    .command('scheduler')
    .description('the scheduler alone; with EXECUTOR=local it executes too')
    .action(async () => done(await (await import('./start.ts')).start('scheduler')))

  for (const verb of ['web', 'worker']) {
    program
      .command(verb)
      .description('not built yet')
      .action(async () => done((await import('./not-built.ts')).notBuilt(verb)))
  }

  addDb(program, done)
  addListings(program, done)
  return program
}

function addDb(program: Command, done: (code: number) => void): void {
  const db = program.command('db').description('the database')
  db.command('url')
    .description('print a connection string, for psql; an embedded server is left running')
    .addHelpText('after', '\nExample:\n  psql "$(npm run -s cli -- db url)"')
    .action(async () => done(await (await import('./db.ts')).dbUrl()))
  db.command('migrate')
    .description("create or update the runner's own tables")
    .addHelpText('after', '\nExample:\n  npm run cli -- db migrate')
    .action(async () => done(await (await import('./db.ts')).dbMigrate()))
}

function addListings(program: Command, done: (code: number) => void): void {
  const dags = program.command('dags').description('what can run, and what has run')
  dags
    .command('list')
    .description('every dag, and every folder that could not be loaded')
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  npm run cli -- dags list')
    .action(async (options) => done(await (await import('./dags.ts')).dagsList(options)))
  dags
    .command('runs')
    .description('the newest runs of a dag')
    .argument('<dag>', 'id of the dag')
    .addOption(outputOption())
    .option('--limit <n>', 'how many', '25')
    .addHelpText('after', '\nExample:\n  npm run cli -- dags runs rocket-launches')
    .action(async (dagId, options) => done(await (await import('./dags.ts')).dagsRuns(dagId, options)))

  dags
    .command('test')
    .description('run a dag once and keep nothing of the run')
    .argument('<dag>', 'id of the dag')
    .option('--conf <json>', 'params of the run, a JSON object')
    .addHelpText('after', '\nExample:\n  npm run cli -- dags test rocket-launches')
    .action(async (dagId, options) => done(await (await import('./dags-test.ts')).dagsTest(dagId, options)))

  const runs = program.command('runs').description('one run')
  runs
    .command('show')
    .description('a run and its task instances')
    .argument('<dag>', 'id of the dag')
    .argument('<run>', "run_id, or 'latest'")
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  npm run cli -- runs show rocket-launches latest')
    .action(async (dagId, runId, options) => done(await (await import('./runs.ts')).runsShow(dagId, runId, options)))

  runs
    .command('clear')
    .description('run tasks of a run again, in place; earlier tries are kept')
    .argument('<dag>', 'id of the dag')
    .argument('<run>', "run_id, or 'latest'")
    .option('--task <task...>', 'only these')
    .option('--downstream', 'and everything that hangs on them')
    .option('--only-failed', 'of these, only what failed or could not run')
    .option('--dry-run', 'only say what would be cleared')
    .addHelpText('after', '\nExample:\n  npm run cli -- runs clear rocket-launches latest --only-failed')
    .action(async (dagId, runId, options) =>
      done(await (await import('./operate.ts')).runsClear(dagId, runId, options)),
    )
  runs
    .command('cancel')
    .description('end a run: running tasks are told to stop and have failed')
    .argument('<dag>', 'id of the dag')
    .argument('<run>', "run_id, or 'latest'")
    .addHelpText('after', '\nExample:\n  npm run cli -- runs cancel rocket-launches latest')
    .action(async (dagId, runId) => done(await (await import('./operate.ts')).runsCancel(dagId, runId)))

  const tasks = program.command('tasks').description('one task instance')
  tasks
    .command('logs')
    .description('what a task logged')
    .argument('<dag>', 'id of the dag')
    .argument('<run>', "run_id, or 'latest'")
    .argument('<task>', 'id of the task')
    .option('--try <n>', 'of this try only')
    .addHelpText('after', '\nExample:\n  npm run cli -- tasks logs rocket-launches latest fetch_and_store_data')
    .action(async (dagId, runId, taskId, options) =>
      done(await (await import('./tasks.ts')).tasksLogs(dagId, runId, taskId, options)),
    )
  tasks
    .command('mark')
    .description('say how a task ended instead of running it')
    .argument('<dag>', 'id of the dag')
    .argument('<run>', "run_id, or 'latest'")
    .argument('<task>', 'id of the task')
    .argument('<state>', 'success, failed or skipped')
    .option('--value <json>', 'what it returned, where it declares an output')
    .addHelpText('after', '\nExample:\n  npm run cli -- tasks mark rocket-launches latest notify_discord skipped')
    .action(async (dagId, runId, taskId, state, options) =>
      done(await (await import('./operate.ts')).tasksMark(dagId, runId, taskId, state, options)),
    )

  const pools = program.command('pools').description('limits that tasks share')
  pools
    .command('list')
    .description('every pool and how much of it is taken')
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  npm run cli -- pools list')
    .action(async (options) => done(await (await import('./pools.ts')).poolsList(options)))
  pools
    .command('set')
    .description('make a pool, or give it another size')
    .argument('<pool>', 'its name')
    .argument('<slots>', 'how many task instances may hold it at once')
    .option('--description <text>', 'what it is for')
    .addHelpText('after', '\nExample:\n  npm run cli -- pools set api 2')
    .action(async (pool, slots, options) => done(await (await import('./pools.ts')).poolsSet(pool, slots, options)))

  const jobs = program.command('jobs').description('processes of T-minus')
  jobs
    .command('list')
    .description('those alive, then the newest')
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  npm run cli -- jobs list')
    .action(async (options) => done(await (await import('./jobs.ts')).jobsList(options)))
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
    if (mayBeOfDag(program, word)) await (await import('./dag-verbs.ts')).addDagVerbs(program, word, done)
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

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads our output may have had enough of it (`| head`); the run goes on.
  if (error.code === 'EPIPE') return
  process.exit(
    failed(new TminusError(`The output cannot be written: ${error.message}`, { code: 'output', cause: error })),
  )
})
// Nothing here keeps the process alive on purpose: what was opened is closed, so a verb that is done ends by itself.
process.exitCode = await main(process.argv)
// Save a task that was told to stop and does not: it is left behind.
setTimeout(() => process.exit(), 10_000).unref()
