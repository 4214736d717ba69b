import pc from 'picocolors'
import type { DemoHost } from 'tminus'
import { type ChannelMessage, type DiscordServer, startDiscord } from './discord-server.ts'
import { startLaunchLibrary } from './launch-library-server.ts'
import { renderMessage } from '../preview/render-message.ts'

/**
 * Runs the pipeline twice against sample launches and a stand-in for Discord, both on loopback: the first run posts
 * the next launch, the second finds nothing new. Returns 0 only if that is what happened.
 */
export async function demo(host: DemoHost): Promise<number> {
  const launchLibrary = await startLaunchLibrary()
  const discord = await startDiscord()
  const settings = { LAUNCH_LIBRARY_URL: launchLibrary.url, DISCORD_WEBHOOK_URL: discord.webhookUrl }
  try {
    heading('1  Sample launches → Postgres → Discord')
    const first = await host.run(settings)
    if (first !== 0) return first
    say('\nWhat the Discord channel shows:\n')
    for (const message of discord.messages) show(message)

    heading('2  Once more: nothing has changed')
    const before = discord.requests.length
    const second = await host.run(settings)
    if (second !== 0) return second
    return ending(discord, discord.requests.length - before)
  } finally {
    await discord.close()
    await launchLibrary.close()
  }
}

function ending(discord: DiscordServer, requests: number): number {
  if (discord.messages.length !== 1 || requests > 0) {
    say(`\nThe rerun sent ${requests} requests to Discord; none was expected`)
    return 1
  }
  say('\nThe rerun posted nothing: the channel already tells what is known.')
  heading('Next')
  say(`  npm run pipeline rocket-launches  real launches, no account needed
  npm start                         the same by its schedule, until stopped
  .env.example                      every setting; a webhook posts to your channel
`)
  return 0
}

function show(message: ChannelMessage): void {
  const color = process.stdout.isTTY === true && pc.isColorSupported
  say(renderMessage(message, { color, now: new Date(), width: process.stdout.columns }))
}

function heading(text: string): void {
  say(`\n${pc.bold(text)}\n`)
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
