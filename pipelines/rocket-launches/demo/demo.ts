import pc from 'picocolors'
import type { DemoHost } from 'tminus'
import { commandFor } from 'tminus'
import { renderMessage } from 'tminus/connectors/discord-preview'
import type { ChannelMessage } from '../stand-ins/discord-server.ts'
import { playDay } from './day.ts'
import { openStage, type Stage } from './stage.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** A step of the demo, and the messages that the channel must get. */
interface Scene {
  title: string
  /** Advances the clock and moves the launch. */
  before?: (stage: Stage) => void
  posts: number
  edits: number
  caption: string
}

const SCENES: readonly Scene[] = [
  { title: 'Sample launches → Postgres → Discord', posts: 1, edits: 0, caption: 'What the Discord channel shows:' },
  {
    title: '25 minutes before T-0 the launch slips by two hours',
    before: (stage) => {
      stage.advanceTo(25 * MINUTE)
      stage.slip(2 * HOUR)
    },
    posts: 1,
    edits: 1,
    caption: 'The run edited the card and posted a notice, because an edit notifies no reader:',
  },
  {
    title: 'An hour before the new T-0',
    before: (stage) => stage.advanceTo(HOUR),
    posts: 1,
    edits: 0,
    caption: 'A reminder. Discord updates its countdown:',
  },
  {
    title: 'Once more: nothing has changed',
    posts: 0,
    edits: 0,
    caption: 'The rerun posted nothing: the channel is up to date.',
  },
]

/**
 * Runs the pipeline against sample launches and a stand-in for Discord, both on loopback, in the last hours before a
 * launch. Returns 0 only if each run sent the expected messages. For a person who watches, it then serves the board.
 */
export async function demo(host: DemoHost): Promise<number> {
  const stage = await openStage(host)
  try {
    for (const [index, scene] of SCENES.entries()) {
      heading(`${index + 1}  ${scene.title}`)
      const code = await play(scene, stage)
      if (code !== 0) return code
    }
    showNext()
    return host.serve === undefined ? 0 : await serve(stage, host.serve)
  } finally {
    await stage.close()
  }
}

/** Plays the rest of the day, then serves the board with it. */
async function serve(stage: Stage, serveBoard: NonNullable<DemoHost['serve']>): Promise<number> {
  print('The rest of the launch day is added: slips, a hold and a result …')
  const code = await playDay(stage)
  if (code !== 0) return code
  return await serveBoard(stage.settings(), (url) => print(`\n${pc.bold(`Board: ${url}`)}, Ctrl-C ends`))
}

function showNext(): void {
  heading('Next')
  const next = [
    [commandFor('pipeline rocket-launches'), 'real launches, no account needed'],
    [commandFor('start'), 'the same on a schedule, until Ctrl-C'],
    ['.env.example', "all settings, such as a channel's webhook"],
  ] as const
  const width = Math.max(...next.map(([what]) => what.length))
  print(`${next.map(([what, does]) => `  ${what.padEnd(width)}  ${does}`).join('\n')}\n`)
}

async function play({ before, posts, edits, caption }: Scene, stage: Stage): Promise<number> {
  before?.(stage)
  const { code, sent, changed } = await stage.run()
  if (code !== 0) return code
  if (sent.join() !== [...Array(edits).fill('PATCH'), ...Array(posts).fill('POST')].join()) {
    print(`\nThe run sent ${sent.length} requests to Discord (${sent.join(', ')}); ${posts + edits} were expected`)
    return 1
  }
  print(`\n${caption}`)
  for (const message of changed) show(message, stage.now())
  return 0
}

function show(message: ChannelMessage, now: Date): void {
  const color = process.stdout.isTTY === true && pc.isColorSupported
  const { postedAt, editedAt } = message
  print(`\n${renderMessage(message, { color, now, postedAt, editedAt, width: process.stdout.columns })}`)
}

function heading(text: string): void {
  print(`\n${pc.bold(text)}\n`)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
