import { type Command, type CommandHost, commandFor } from 'tminus'
import type { Database } from 'tminus/db'
import { explainMissingTables } from '../../launches/missing-tables.ts'
import * as option from './launches-options.ts'

/** `launches …`: the stored launches. Each verb loads its own code. */
export function addLaunches(program: Command, host: CommandHost): void {
  const launches = program.command('launches').description('the stored launches')
  const withLaunches = async (work: (db: Database) => Promise<void>) =>
    host.withDatabase(work).catch(explainMissingTables('launches', 'no_launches'))

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
    .description('upcoming launches, nearest first')
    .addOption(host.outputOption())
    .option('--limit <n>', 'maximum number of launches', option.count, 25)
    .option('--past', 'past launches instead, latest first')
    .option('--search <text>', 'words in name, mission, provider, rocket, pad or location', '')
    .option('--provider <text>', "part of the provider's name", '')
    .addHelpText('after', example('list --search "falcon vandenberg"'))
    .action(async (options) => {
      const { list } = await import('./launches-list.ts')
      await withLaunches((db) => list(db, host, options))
    })
  launches
    .command('show')
    .description('all data of one launch, and its changes')
    .argument('<launch>', 'id, launch_id, slug, or words of its name')
    .addOption(host.outputOption())
    .addHelpText('after', example('show "griffin mission"'))
    .action(async (launch, options) => {
      const { show } = await import('./launches-show.ts')
      await withLaunches((db) => show(db, host, launch, options))
    })
  launches
    .command('changes')
    .description('changes of launches, newest first')
    .argument('[launch]', 'only this launch: id, launch_id, slug, or words of its name')
    .addOption(host.outputOption())
    .option('--since <when>', 'changes seen since then: 12h, 7d, 2w, 2026-01-31 or an instant', option.ago(host))
    .option('--limit <n>', 'maximum number of changes; fields that changed together count once', option.count, 25)
    .addHelpText('after', example('changes --since 7d'))
    .action(async (launch, options) => {
      const { changes } = await import('./launches-list.ts')
      await withLaunches((db) => changes(db, host, launch, options))
    })
  launches
    .command('export')
    .description('write every launch to standard output, earliest first')
    .addOption(
      program.createOption('--format <format>', 'csv (RFC 4180) or json').choices(['csv', 'json']).default('csv'),
    )
    .option('--since <date>', 'net at or after this date or instant (UTC)', option.instant('--since'))
    .option('--until <date>', 'net before this date or instant (UTC)', option.instant('--until'))
    .option('--details', 'add the column details: the launch as received, in JSON')
    .addHelpText('after', example('export --since 2026-01-01 > launches.csv', true))
    .action(async (options) => {
      const { exportLaunches } = await import('./launches-export.ts')
      await withLaunches((db) => exportLaunches(db, host, options))
    })
}

function example(line: string, silent = false): string {
  return `\nExample:\n  ${commandFor(`launches ${line}`, { silent })}`
}
