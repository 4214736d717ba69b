import type { Command } from 'commander'
import { commandFor } from '../../command-for.ts'
import { example } from '../example.ts'
import { outputOption } from '../output-option.ts'

type Done = (exitCode: number) => void

export function addDb(program: Command, done: Done): void {
  const db = program.command('db').description('check and maintain the database')
  db.command('check')
    .description('check everything and say how to fix each problem; exit code 1 if a check fails')
    .addOption(outputOption())
    .addHelpText('after', example('db check'))
    .action(async (options) => done(await (await import('./db-check.ts')).dbCheck(options)))
  db.command('status')
    .description('show the server, the migrations and the size of each table')
    .addOption(outputOption())
    .addHelpText('after', example('db status'))
    .action(async (options) => done(await (await import('./db-care.ts')).dbStatus(options)))
  db.command('url')
    .description('print a connection string, for psql; starts an embedded server and leaves it running')
    .addHelpText('after', `\nExample:\n  psql "$(${commandFor('db url', { silent: true })})"`)
    .action(async () => done(await (await import('./db.ts')).dbUrl()))
  db.command('migrate')
    .description("create or update the runner's own tables; to undo an update, restore a backup")
    .option('--before-start', 'also fail if the page would refuse to start (for Docker Compose)')
    .addHelpText('after', example('db migrate'))
    .action(async (options) => done(await (await import('./db.ts')).dbMigrate(options)))
  db.command('clean')
    .description('delete old runs; the latest runs of each dag are kept')
    .requiredOption('--older-than <duration>', 'age of the runs to delete, e.g. 30d or 12h')
    .option('--dry-run', 'print what would be deleted, and delete nothing')
    .addHelpText('after', example('db clean --older-than 30d --dry-run'))
    .action(async (options) => done(await (await import('./db-care.ts')).dbClean(options)))
  db.command('reset')
    .description("drop the runner's own tables with all runs; launches are kept")
    .option('--yes', 'confirm that all runs may be deleted')
    .addHelpText('after', example('db reset --yes'))
    .action(async (options) => done(await (await import('./db-care.ts')).dbReset(options)))
}

export function addPools(program: Command, done: Done): void {
  const pools = program.command('pools').description('list and set pools, the limits that tasks share')
  pools
    .command('list')
    .description('list the pools and how many slots are used')
    .addOption(outputOption())
    .addHelpText('after', example('pools list'))
    .action(async (options) => done(await (await import('./pools.ts')).poolsList(options)))
  pools
    .command('set')
    .description('create a pool, or change its size')
    .argument('<pool>', 'name of the pool')
    .argument('<slots>', 'how many task instances may use it at once')
    .option('--description <text>', 'purpose of the pool')
    .addHelpText('after', example('pools set api 2'))
    .action(async (pool, slots, options) => done(await (await import('./pools.ts')).poolsSet(pool, slots, options)))
}

export function addJobs(program: Command, done: Done): void {
  const jobs = program.command('jobs').description('list and check the processes of T-minus')
  jobs
    .command('list')
    .description('list recent processes, live ones first')
    .addOption(outputOption())
    .addHelpText('after', example('jobs list'))
    .action(async (options) => done(await (await import('./jobs.ts')).jobsList(options)))
  jobs
    .command('check')
    .description('list live processes that execute runs; exit code 1 if there is none')
    .addHelpText('after', example('jobs check'))
    .action(async () => done(await (await import('./jobs.ts')).jobsCheck()))
}
