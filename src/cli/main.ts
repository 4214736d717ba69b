#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { VERSION } from '../version.ts'
import { failed } from './failed.ts'

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
  const output = ['-o, --output <format>', 'table or json', 'table'] as const
  const dags = program.command('dags').description('what can run, and what has run')
  dags
    .command('list')
    .description('every dag, and every folder that could not be loaded')
    .option(...output)
    .addHelpText('after', '\nExample:\n  npm run cli -- dags list')
    .action(async (options) => done(await (await import('./dags.ts')).dagsList(options)))
  dags
    .command('runs')
    .description('the newest runs of a dag')
    .argument('<dag>', 'id of the dag')
    .option(...output)
    .option('--limit <n>', 'how many', '25')
    .addHelpText('after', '\nExample:\n  npm run cli -- dags runs rocket-launches')
    .action(async (dagId, options) => done(await (await import('./dags.ts')).dagsRuns(dagId, options)))

  const runs = program.command('runs').description('one run')
  runs
    .command('show')
    .description('a run and its task instances')
    .argument('<dag>', 'id of the dag')
    .argument('<run>', "run_id, or 'latest'")
    .option(...output)
    .addHelpText('after', '\nExample:\n  npm run cli -- runs show rocket-launches latest')
    .action(async (dagId, runId, options) =>
      done(await (await import('./runs.ts')).runsShow(dagId, runId, options)),
    )

  const tasks = program.command('tasks').description('one task instance')
  tasks
    .command('logs')
    .description('what a task logged')
    .argument('<dag>', 'id of the dag')
    .argument('<run>', "run_id, or 'latest'")
    .argument('<task>', 'id of the task')
    .option('--try <n>', 'of this try only')
    .addHelpText(
      'after',
      '\nExample:\n  npm run cli -- tasks logs rocket-launches latest fetch_and_store_data',
    )
    .action(async (dagId, runId, taskId, options) =>
      done(await (await import('./tasks.ts')).tasksLogs(dagId, runId, taskId, options)),
    )
}

const USAGE = 2

async function main(argv: readonly string[]): Promise<number> {
  let code = 0
  const program = buildProgram((result) => {
    code = result
  })
  try {
    await program.parseAsync(argv)
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE
    return failed(error)
  }
}

// Nothing here keeps the process alive on purpose: what was opened is closed, so a verb that is done ends by itself.
process.exitCode = await main(process.argv)
