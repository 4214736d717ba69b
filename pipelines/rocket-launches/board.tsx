/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { hash } from 'node:crypto'
import { etag, Hono, notFound, type WebContext, type WebEnv } from 'tminus/web'
import { readChanges } from '../launches/read-launches.ts'
import { dataAge } from './board/age.ts'
import { type AssetName, assetOf } from './board/assets.ts'
import { calendarOf } from './board/calendar.ts'
import { type Home, HomePage, PER_PAGE } from './board/home.tsx'
import { launchesJson } from './board/json.ts'
import { LaunchPage } from './board/launch.tsx'
import { OutboxPage, RejectsPage } from './board/operations.tsx'
import * as query from './board/query.ts'
import { listMessages } from './discord/outbox-list.ts'
import type { Settings } from './settings.ts'

/** The launches for people: the next one, those to come, one by itself, a calendar, JSON. See docs/board.md. */
const board = new Hono<WebEnv<Settings>>()

board.get('/', async (c) => c.html(<HomePage c={c} home={await homeOf(c)} />))

board.get('/launches/:id', async (c) => {
  const { db, now, base } = c.var.board
  const id = c.req.param('id')
  const launch = id.includes('\0') ? undefined : await orNone(query.oneBoardLaunch(db, id), undefined)
  if (launch === undefined) throw notFound(`No launch '${id.slice(0, 100)}' is stored.`)
  const [changes, messages, live] = await Promise.all([
    readChanges(db, { launchId: id, since: undefined, limit: MOST_CHANGES }),
    orNone(query.messagesAbout(db, id), []),
    liveOf(c),
  ])
  return c.html(<LaunchPage c={c} one={{ launch, changes, messages, now: now(), base, live }} />)
})

// A program that asks again may name what it has by its ETag, and is sent nothing where that is all there is.
for (const path of ['/launches.json', '/launches.ics']) board.use(path, etag())

board.get('/launches.json', async (c) => {
  const { db, now, settings } = c.var.board
  const asked = askedOf(c)
  const range = { now: now(), limit: PER_FILE, offset: (pageOf(c) - 1) * PER_FILE }
  const [launches, total, age] = await Promise.all([
    orNone(query.boardLaunches(db, asked, range), []),
    orNone(query.countLaunches(db, asked, range.now), 0),
    orNone(dataAge(db, settings, range.now), NO_AGE),
  ])
  return answer(c, 'application/json', JSON.stringify(launchesJson(launches, { total, age })))
})

board.get('/launches.ics', async (c) => {
  const { db, now } = c.var.board
  const asked = askedOf(c)
  const at = now()
  const [coming, flown] = await Promise.all([
    asked.past ? [] : orNone(query.boardLaunches(db, asked, { now: at, limit: PER_FILE }), []),
    orNone(query.boardLaunches(db, { ...asked, past: true }, { now: at, limit: KEPT }), []),
  ])
  const kept = flown.filter(({ vanished_at }) => vanished_at === null).reverse()
  c.header('content-disposition', 'inline; filename="launches.ics"')
  return answer(c, 'text/calendar; charset=utf-8', await calendarOf([...kept, ...coming]))
})

board.get('/outbox', async (c) => {
  const { db, base } = c.var.board
  const messages = await orNone(listMessages(db, { all: true, limit: MOST_ROWS }), [])
  return c.html(<OutboxPage c={c} base={base} messages={messages} />)
})

board.get('/rejects', async (c) => {
  const { db, base } = c.var.board
  return c.html(<RejectsPage c={c} base={base} rejects={await orNone(query.rejectedLaunches(db, MOST_ROWS), [])} />)
})

for (const name of ['board.css', 'board.js'] satisfies AssetName[])
  board.get(`/${name}`, (c) => {
    const { body, type, hash } = assetOf(name)
    const isNamed = c.req.query('v') === hash
    c.header('content-type', type)
    c.header('cache-control', isNamed ? 'public, max-age=31536000, immutable' : 'no-cache')
    return c.body(body)
  })

export default board

/** Also answered to calendar programs, which cannot sign in, by the address a user makes at `/account`. */
export const calendars = ['/launches.ics']

const MOST_CHANGES = 500
const MOST_ROWS = 100
/** Launches of one answer for programs. */
const PER_FILE = 500
/** Flown ones that stay in the calendar: what a subscriber is no longer told of leaves his calendar. */
const KEPT = 50
const NO_AGE = { asOf: undefined, nextLook: undefined, calls: undefined }

async function homeOf(c: WebContext): Promise<Home> {
  const { db, now: clock, settings, base } = c.var.board as WebEnv<Settings>['Variables']['board']
  const [now, asked, page] = [clock(), askedOf(c), pageOf(c)]
  // Read before what it stands for, so that what changes meanwhile is shown at once.
  const live = await liveOf(c)
  const [featured, launches, total, providers, age] = await Promise.all([
    orNone(query.featuredLaunch(db, now), undefined),
    orNone(query.boardLaunches(db, asked, { now, limit: PER_PAGE, offset: (page - 1) * PER_PAGE }), []),
    orNone(query.countLaunches(db, asked, now), 0),
    orNone(query.boardProviders(db, now), []),
    orNone(dataAge(db, settings, now), NO_AGE),
  ])
  return { now, base, asked, page, featured, launches, total, providers, age, live }
}

/** Bytes, hashed at once: from a text, a stream is made that hashing takes apart and compressing puts together. */
function answer(c: WebContext, type: string, text: string): Response {
  const body = Buffer.from(text)
  c.header('content-type', type)
  c.header('cache-control', 'private, no-cache')
  // Weak: it is the same compressed or not.
  c.header('etag', `W/"${hash('sha1', body, 'base64url')}"`)
  return c.body(body)
}

/** Before the pipeline's first run there are no tables: nothing is stored then, which is no error. */
async function orNone<T>(read: Promise<T>, none: T): Promise<T> {
  return await read.catch((error: unknown) => {
    if (query.isWithoutTables(error)) return none
    throw error
  })
}

/** Nobody searches for control characters, and Postgres takes no NUL at all. */
function askedOf(c: WebContext): query.Asked {
  const text = (name: string) =>
    (c.req.query(name) ?? '')
      .replace(/\p{Cc}/gu, ' ')
      .trim()
      .slice(0, 200)
  return { past: text('show') === 'past', search: text('q'), provider: text('provider') }
}

function pageOf(c: WebContext): number {
  const page = Number(c.req.query('page'))
  return Number.isSafeInteger(page) && page >= 1 && page <= 10_000 ? page : 1
}

/** The page follows the runs of its dag: what they change is what it shows. Without it the page stands still. */
async function liveOf(c: WebContext): Promise<Home['live']> {
  const { dagId } = c.var.board
  const mark: string = await c.var.site.markOf('dag', dagId).catch(() => '')
  return mark === '' ? undefined : { key: `dag/${dagId}`, mark }
}
