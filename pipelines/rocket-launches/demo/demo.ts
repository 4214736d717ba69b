import pc from 'picocolors'
import type { DemoHost } from 'tminus'
import { commandFor } from 'tminus'
import { renderMessage } from 'tminus/connectors/discord-preview'
import type { ChannelMessage } from '../stand-ins/discord-server.ts'
import { openStage, type Stage } from './stage.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** What happens, and what the channel is to get of it. */
interface Scene {
  title: string
  /** Moves the clock and the launch. */
  before?: (stage: Stage) => void
  posts: number
  edits: number
  told: string
}

const SCENES: readonly Scene[] = [
  { title: 'Sample launches → Postgres → Discord', posts: 1, edits: 0, told: 'What the Discord channel shows:' },
  {
    title: '25 minutes before T-0 the launch slips by two hours',
    before: (stage) => {
      stage.passUntil(25 * MINUTE)
      stage.slip(2 * HOUR)
    },
    posts: 1,
    edits: 1,
    told: 'The card was edited where it stands; a notice tells those who would not look:',
  },
  {
    title: 'An hour before the new T-0',
    before: (stage) => stage.passUntil(HOUR),
    posts: 1,
    edits: 0,
    told: 'A reminder, which counts down by itself:',
  },
  {
    title: 'Once more: nothing has changed',
    posts: 0,
    edits: 0,
    told: 'The rerun posted nothing: the channel already tells what is known.',
  },
]

/**
 * Runs the pipeline against sample launches and a stand-in for Discord, both on loopback, in the last hours of a
 * launch. Returns 0 only if the channel got each time what it should.
 */
export async function demo(host: DemoHost): Promise<number> {
  const stage = await openStage(host)
  try {
    for (const [index, scene] of SCENES.entries()) {
      heading(`${index + 1}  ${scene.title}`)
      const code = await play(scene, stage)
      if (code !== 0) return code
    }
  } finally {
    await stage.close()
  }
  heading('Next')
  const next = [
    [commandFor('pipeline rocket-launches'), 'real launches, no account needed'],
    [commandFor('start'), 'the same by its schedule, until stopped'],
    ['.env.example', 'every setting; a webhook posts to your channel'],
  ] as const
  const width = Math.max(...next.map(([what]) => what.length))
  say(`${next.map(([what, does]) => `  ${what.padEnd(width)}  ${does}`).join('\n')}\n`)
  return 0
}

async function play({ before, posts, edits, told }: Scene, stage: Stage): Promise<number> {
  before?.(stage)
  const { code, sent, touched } = await stage.run()
  if (code !== 0) return code
  if (sent.join() !== [...Array(edits).fill('PATCH'), ...Array(posts).fill('POST')].join()) {
    say(`\nThe run sent ${sent.length} requests to Discord (${sent.join(', ')}); ${posts + edits} were expected`)
    return 1
  }
  say(`\n${told}`)
  for (const message of touched) show(message, stage.now())
  return 0
}

function show(message: ChannelMessage, now: Date): void {
  const color = process.stdout.isTTY === true && pc.isColorSupported
  const { postedAt, editedAt } = message
  say(`\n${renderMessage(message, { color, now, postedAt, editedAt, width: process.stdout.columns })}`)
}

function heading(text: string): void {
  say(`\n${pc.bold(text)}\n`)
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
