import type { Command } from 'commander'
import { commandFor } from '../../command-for.ts'
import { example } from '../example.ts'
import { outputOption } from '../output-option.ts'

type Done = (exitCode: number) => void

/** What an operator looks after: database, processes, pools. */
export function addDb(program: Command, done: Done): void {
  const db = program.command('db').description('the database')
  db.command('check')
    .description('whether all is well, and what to do where it is not; ends with 1 there')
    .addOption(outputOption())
    .addHelpText('after', example('db check'))
    .action(async (options) => done(await (await import('./db-check.ts')).dbCheck(options)))
  db.command('status')
    .description('server, migrations, and how much there is of everything')
    .addOption(outputOption())
    .addHelpText('after', example('db status'))
    .action(async (options) => done(await (await import('./db-care.ts')).dbStatus(options)))
  db.command('url')
    .description('print a connection string, for psql; an embedded server is left running')
    .addHelpText('after', `\nExample:\n  psql "$(${commandFor('db url', { silent: true })})"`)
    .action(async () => done(await (await import('./db.ts')).dbUrl()))
  db.command('migrate')
    .description("create or update the runner's own tables; there is no way back to an older version but a backup")
    .option('--before-start', 'then fail where the page would refuse to start (as in Docker Compose)')
    .addHelpText('after', example('db migrate'))
    .action(async (options) => done(await (await import('./db.ts')).dbMigrate(options)))
  db.command('clean')
    .description('delete what ended long ago; of each dag the latest runs are kept')
    .requiredOption('--older-than <duration>', 'e.g. 30d or 12h')
    .option('--dry-run', 'only say what would be deleted')
    .addHelpText('after', example('db clean --older-than 30d --dry-run'))
    .action(async (options) => done(await (await import('./db-care.ts')).dbClean(options)))
  db.command('reset')
    .description("drop the runner's own tables with all runs; the launches stay")
    .option('--yes', 'really')
    .addHelpText('after', example('db reset --yes'))
    .action(async (options) => done(await (await import('./db-care.ts')).dbReset(options)))
}

export function addPools(program: Command, done: Done): void {
  const pools = program.command('pools').description('limits that tasks share')
  pools
    .command('list')
    .description('every pool and how much of it is taken')
    .addOption(outputOption())
    .addHelpText('after', example('pools list'))
    .action(async (options) => done(await (await import('./pools.ts')).poolsList(options)))
  pools
    .command('set')
    .description('make a pool, or give it another size')
    .argument('<pool>', 'its name')
    .argument('<slots>', 'how many task instances may hold it at once')
    .option('--description <text>', 'what it is for')
    .addHelpText('after', example('pools set api 2'))
    .action(async (pool, slots, options) => done(await (await import('./pools.ts')).poolsSet(pool, slots, options)))
}

export function addJobs(program: Command, done: Done): void {
  const jobs = program.command('jobs').description('processes of T-minus, which run what is due')
  jobs
    .command('list')
    .description('every process of late: those alive, then the newest')
    .addOption(outputOption())
    .addHelpText('after', example('jobs list'))
    .action(async (options) => done(await (await import('./jobs.ts')).jobsList(options)))
  jobs
    .command('check')
    .description('which live processes take up runs; ends with 1 where none does')
    .addHelpText('after', example('jobs check'))
    .action(async () => done(await (await import('./jobs.ts')).jobsCheck()))
}
