import { type Command, Option } from 'commander'
import { commandFor } from '../../command-for.ts'
import { addVerb } from '../add-verb.ts'
import { outputOption } from '../output-option.ts'

type Done = (exitCode: number) => void

export function addDb(program: Command, done: Done): void {
  const db = program.command('db').description('check and maintain the database')
  addVerb(db, 'check', 'check everything and say how to fix each problem; exit code 1 if a check fails')
    .addOption(outputOption())
    .action(async (options) => done(await (await import('./db-check.ts')).dbCheck(options)))
  addVerb(db, 'status', 'show the server, the migrations and the size of each table')
    .addOption(outputOption())
    .action(async (options) => done(await (await import('./db-care.ts')).dbStatus(options)))
  db.command('url')
    .description('print a connection string, for psql; starts an embedded server and leaves it running')
    .addHelpText('after', `\nExample:\n  psql "$(${commandFor('db url', { silent: true })})"`)
    .action(async () => done(await (await import('./db.ts')).dbUrl()))
  addVerb(db, 'migrate', "create or update the runner's own tables; to undo an update, restore a backup")
    .option('--before-start', 'also fail if the page would refuse to start (for Docker Compose)')
    .action(async (options) => done(await (await import('./db.ts')).dbMigrate(options)))
  addVerb(db, 'clean', 'delete old runs; the latest runs of each dag are kept', '--older-than 30d --dry-run')
    .requiredOption('--older-than <duration>', 'age of the runs to delete, e.g. 30d or 12h')
    .option('--dry-run', 'print what would be deleted, and delete nothing')
    .action(async (options) => done(await (await import('./db-care.ts')).dbClean(options)))
  addVerb(db, 'reset', "drop the runner's own tables with all runs; launches are kept", '--yes')
    .option('--yes', 'confirm that all runs may be deleted')
    .action(async (options) => done(await (await import('./db-care.ts')).dbReset(options)))
}

export function addPools(program: Command, done: Done): void {
  const pools = program.command('pools').description('list and set pools, the limits that tasks share')
  addVerb(pools, 'list', 'list the pools and how many slots are used')
    .addOption(outputOption())
    .action(async (options) => done(await (await import('./pools.ts')).poolsList(options)))
  addVerb(pools, 'set', 'create a pool, or change its size', 'api 2')
    .argument('<pool>', 'name of the pool')
    .argument('<slots>', 'how many task instances may use it at once')
    .option('--description <text>', 'purpose of the pool')
    .action(async (pool, slots, options) => done(await (await import('./pools.ts')).poolsSet(pool, slots, options)))
}

export function addJobs(program: Command, done: Done): void {
  const jobs = program.command('jobs').description('list and check the processes of T-minus')
  addVerb(jobs, 'list', 'list recent processes, live ones first')
    .addOption(outputOption())
    .action(async (options) => done(await (await import('./jobs.ts')).jobsList(options)))
  addVerb(
    jobs,
    'check',
    'list live processes; exit code 1 if none executes runs, or none matches',
    '--kind worker --local',
  )
    .addOption(
      new Option('--kind <kind>', 'only processes of this kind (default: start and scheduler)').choices([
        'start',
        'scheduler',
        'worker',
      ]),
    )
    .option('--hostname <name>', 'only processes on this machine')
    .addOption(new Option('--local', 'only processes on the machine of this command').conflicts('hostname'))
    .action(async (options) => done(await (await import('./jobs.ts')).jobsCheck(options)))
}
