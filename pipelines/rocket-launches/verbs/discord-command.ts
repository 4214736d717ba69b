import { type Command, type CommandHost, commandFor, UsageError } from 'tminus'
import type { Database } from 'tminus/db'
import { explainMissingTables } from '../../launches/missing-tables.ts'
import { count } from './launches-options.ts'

/** `discord …`: the messages to the channels and their states. Each verb loads its own code. */
export function addDiscord(program: Command, host: CommandHost): void {
  const discord = program.command('discord').description('messages to Discord and their states')
  const withOutbox = async (work: (db: Database) => Promise<void>) =>
    host.withDatabase(work).catch(explainMissingTables('messages', 'no_outbox'))

  discord
    .command('outbox')
    .description('messages that are pending, may be lost, or were discarded, latest first; and disabled webhooks')
    .addOption(host.outputOption())
    .option('--all', 'include delivered messages')
    .option('--limit <n>', 'maximum number of messages', count, 100)
    .addHelpText('after', example('outbox --all'))
    .action(async (options) => {
      const { showOutbox } = await import('./discord-command-verbs.ts')
      await withOutbox((db) => showOutbox(db, host, options))
    })
  discord
    .command('resend')
    .description('send a discarded or perhaps lost message with the next run; the channel may then show it twice')
    .argument('<id>', "the message's id in the outbox", idOf)
    .addHelpText('after', example('resend 17'))
    .action(async (id) => {
      const { resend } = await import('./discord-command-verbs.ts')
      await withOutbox((db) => resend(db, host, id))
    })
  discord
    .command('forget')
    .description('discard a message: it will not be sent')
    .argument('<id>', "the message's id in the outbox", idOf)
    .addHelpText('after', example('forget 17'))
    .action(async (id) => {
      const { forget } = await import('./discord-command-verbs.ts')
      await withOutbox((db) => forget(db, host, id))
    })
}

function example(line: string): string {
  return `\nExample:\n  ${commandFor(`discord ${line}`)}`
}

function idOf(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new UsageError('The id must be a number, as discord outbox shows it')
}
