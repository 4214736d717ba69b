import { type Command, type CommandHost, commandFor, TminusError, UsageError } from 'tminus'
import type { Database } from 'tminus/db'

/** `discord …`: what the channels were told, and what became of it. Each verb loads its own code. */
export function addDiscord(program: Command, host: CommandHost): void {
  const discord = program.command('discord').description('messages to Discord, and what became of them')
  const withOutbox = async (work: (db: Database) => Promise<void>) => host.withDatabase(work).catch(sayWhatToRun)

  discord
    .command('outbox')
    .description('messages to be sent, of unknown fate or given up, and webhooks out of use; latest first')
    .addOption(host.outputOption())
    .option('--all', 'those that stand on the channel too')
    .option('--limit <n>', 'how many', countOf, 100)
    .addHelpText('after', example('outbox --all'))
    .action(async (options) => {
      const { showOutbox } = await import('./discord-command-verbs.ts')
      await withOutbox((db) => showOutbox(db, host, options))
    })
  discord
    .command('resend')
    .description('send a message of unknown fate, or given up, with the next run; it may then stand twice')
    .argument('<id>', 'its id in the outbox', idOf)
    .addHelpText('after', example('resend 17'))
    .action(async (id) => {
      const { resend } = await import('./discord-command-verbs.ts')
      await withOutbox((db) => resend(db, host, id))
    })
  discord
    .command('forget')
    .description('give a message up: it is not sent any more')
    .argument('<id>', 'its id in the outbox', idOf)
    .addHelpText('after', example('forget 17'))
    .action(async (id) => {
      const { forget } = await import('./discord-command-verbs.ts')
      await withOutbox((db) => forget(db, host, id))
    })
}

function example(line: string): string {
  return `\nExample:\n  ${commandFor(`discord ${line}`)}`
}

function countOf(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new UsageError('--limit must be a whole number from 1 to 999999')
}

function idOf(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new UsageError('The id must be a number, as discord outbox shows it')
}

/** Postgres' codes for a table and a column that do not exist. */
const MISSING = new Set<unknown>(['42P01', '42703'])

function sayWhatToRun(error: Error): never {
  if (!('code' in error) || !MISSING.has(error.code)) throw error
  throw new TminusError(`Nothing was announced from here yet; run ${commandFor('pipeline rocket-launches')}`, {
    code: 'no_outbox',
    retryable: false,
    cause: error,
  })
}
