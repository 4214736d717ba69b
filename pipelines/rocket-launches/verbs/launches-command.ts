import { type Command, type CommandHost, commandFor, TminusError } from 'tminus'
import type { Database } from 'tminus/db'
import * as option from './launches-options.ts'

/** `launches …`: what is stored of them. Each verb loads its own code. */
export function addLaunches(program: Command, host: CommandHost): void {
  const launches = program.command('launches').description('the launches that are stored')
  const withLaunches = async (work: (db: Database) => Promise<void>) => host.withDatabase(work).catch(sayWhatToRun)

  launches
    .command('next')
    .description('the next launch; a channel with filters may announce another one')
    .addOption(host.outputOption())
    .addHelpText('after', example('next'))
    .action(async (options) => {
      const { showNext } = await import('./launches-show.ts')
      await withLaunches((db) => showNext(db, host, options))
    })
  launches
    .command('list')
    .description('launches to come, nearest first')
    .addOption(host.outputOption())
    .option('--limit <n>', 'how many', option.count, 25)
    .option('--past', 'those flown or gone by instead, latest first')
    .option('--search <text>', 'words in name, mission, provider, rocket, pad or location', '')
    .option('--provider <text>', 'in the name of the provider', '')
    .addHelpText('after', example('list --search "falcon vandenberg"'))
    .action(async (options) => {
      const { list } = await import('./launches-list.ts')
      await withLaunches((db) => list(db, host, options))
    })
  launches
    .command('show')
    .description('everything stored of one launch, and how it changed')
    .argument('<launch>', 'its id, launch_id, slug, or words of its name')
    .addOption(host.outputOption())
    .addHelpText('after', example('show "griffin mission"'))
    .action(async (launch, options) => {
      const { show } = await import('./launches-show.ts')
      await withLaunches((db) => show(db, host, launch, options))
    })
  launches
    .command('changes')
    .description('what changed, newest first')
    .argument('[launch]', 'of this one only: its id, launch_id, slug, or words of its name')
    .addOption(host.outputOption())
    .option('--since <when>', 'seen since then: 12h, 7d, 2w, 2026-01-31 or an instant', option.ago(host))
    .option('--limit <n>', 'how many, each with all that changed at once', option.count, 25)
    .addHelpText('after', example('changes --since 7d'))
    .action(async (launch, options) => {
      const { changes } = await import('./launches-list.ts')
      await withLaunches((db) => changes(db, host, launch, options))
    })
  launches
    .command('export')
    .description('every launch to standard output, earliest first')
    .addOption(
      program.createOption('--format <format>', 'csv (RFC 4180) or json').choices(['csv', 'json']).default('csv'),
    )
    .option('--since <date>', 'of net: from this date or instant on (UTC)', option.instant('--since'))
    .option('--until <date>', 'of net: before this date or instant (UTC)', option.instant('--until'))
    .option('--details', 'with each launch as received, as JSON')
    .addHelpText('after', example('export --since 2026-01-01 > launches.csv', true))
    .action(async (options) => {
      const { exportLaunches } = await import('./launches-export.ts')
      await withLaunches((db) => exportLaunches(db, host, options))
    })
}

function example(line: string, silent = false): string {
  return `\nExample:\n  ${commandFor(`launches ${line}`, { silent })}`
}

/** Postgres' codes for a table and a column that do not exist. */
const MISSING = new Set<unknown>(['42P01', '42703'])

function sayWhatToRun(error: Error): never {
  if (!('code' in error) || !MISSING.has(error.code)) throw error
  throw new TminusError(`No launches are stored here yet; run ${commandFor('pipeline rocket-launches')}`, {
    code: 'no_launches',
    retryable: false,
    cause: error,
  })
}
