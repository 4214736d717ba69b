/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { hash } from 'node:crypto'
import { TminusError } from 'tminus'
import {
  allowVideos,
  type Child,
  etag,
  Hono,
  notFound,
  originOf,
  readActivity,
  requireRole,
  unavailable,
  type WebContext,
  type WebEnv,
} from 'tminus/web'
import { storyOf } from '../launches/launch-story.ts'
import { isMissingTable, isNotMigrated, isOlderTable, olderTables } from '../launches/missing-tables.ts'
import { readChanges } from '../launches/read-launches.ts'
import { filterOf, type LaunchFilter } from './board/address.ts'
import { dataAge } from './board/age.ts'
import { type AssetName, assetOf } from './board/assets.ts'
import { calendarOf } from './board/calendar.ts'
import { NO_FACETS, readFacets } from './board/facets.ts'
import { feedOf } from './board/feed.ts'
import { figuresCsv, figuresRange, isFiguresName, NO_FIGURES, readFigures } from './board/figures.ts'
import { FiguresPage } from './board/figures-page.tsx'
import { type Home, HomePage, PER_PAGE } from './board/home.tsx'
import { launchesJson } from './board/json.ts'
import { LaunchPage } from './board/launch.tsx'
import { MOST_IN_MONTH } from './board/month-calendar.tsx'
import { ChangePage, OutboxPage } from './board/outbox.tsx'
import { readPlaces } from './board/places.ts'
import * as query from './board/query.ts'
import { ReaderContext, readerOf } from './board/reader.ts'
import { RejectsPage } from './board/rejects.tsx'
import { detailsOfLaunch, earlierFromPad, earlierOfBooster } from './board/related.ts'
import { VIDEO_SITE } from './board/webcasts.tsx'
import { channelNames } from './discord/channel.ts'
import { CHANGES, forget, resend } from './discord/outbox-changes.ts'
import { type ListedMessage, listMessages, readMessage } from './discord/outbox-list.ts'
import { listDisabled } from './discord/target.ts'
import type { Settings } from './settings.ts'

/** The launch pages: the next launch, lists, one launch, a calendar, JSON. See docs/board.md. */
const board = new Hono<WebEnv<Settings>>()

board.get('/', async (c) => {
  const home = await homeOf(c)
  return inReadersLanguage(c, <HomePage c={c} home={home} />)
})

board.get('/map', async (c) => {
  const home = await homeOf(c, true)
  return inReadersLanguage(c, <HomePage c={c} home={home} />)
})

board.get('/launches/:id', async (c) => {
  const { db, now, base } = c.var.board
  const id = c.req.param('id')
  const launch = id.includes('\0') ? undefined : await emptyIfNoTables(query.oneBoardLaunch(db, id), undefined)
  if (launch === undefined) throw notFound(`No launch '${id.slice(0, 100)}' is stored.`)
  const [changes, messages, live, details, fromPad] = await Promise.all([
    readChanges(db, { launchId: id, since: undefined, limit: MAX_CHANGES }),
    emptyIfNoTables(query.messagesAbout(db, id), [], isNotMigrated),
    liveOf(c),
    detailsOfLaunch(db, id),
    earlierFromPad(db, launch),
  ])
  const story = storyOf(details)
  const ofBoosters = await Promise.all(
    story.boosters.flatMap(({ serial }) =>
      serial === null ? [] : earlierOfBooster(db, id, serial).then((launches) => ({ serial, launches })),
    ),
  )
  if (story.webcasts.some(({ youtube }) => youtube !== null)) allowVideos(c, VIDEO_SITE)
  const one = { launch, changes, messages, story, ofBoosters, fromPad, now: now(), base, live }
  return inReadersLanguage(c, <LaunchPage c={c} one={one} />)
})

// If a program sends the ETag of its last answer and nothing has changed, the answer is an empty 304.
for (const path of ['/launches.json', '/launches.ics', '/launches.atom']) board.use(path, etag())

board.get('/launches.json', async (c) => {
  const { db, now, settings } = c.var.board
  const filter = filterOf(c)
  const range = { now: now(), limit: PER_FILE, offset: (pageOf(c) - 1) * PER_FILE }
  const [launches, total, age] = await Promise.all([
    emptyIfNoTables(query.boardLaunches(db, filter, range), []),
    emptyIfNoTables(query.countLaunches(db, filter, range.now), 0),
    emptyIfNoTables(dataAge(db, settings, range.now), NO_AGE),
  ])
  return answer(c, 'application/json', JSON.stringify(launchesJson(launches, { total, age })))
})

board.get('/launches.ics', async (c) => {
  const { db, now } = c.var.board
  const filter = { ...filterOf(c), month: '' }
  const at = now()
  const [upcoming, flown] = await Promise.all([
    filter.past ? [] : emptyIfNoTables(query.boardLaunches(db, filter, { now: at, limit: PER_FILE }), []),
    emptyIfNoTables(query.boardLaunches(db, { ...filter, past: true }, { now: at, limit: FLOWN_IN_CALENDAR }), []),
  ])
  const listed = flown.filter(({ vanished_at }) => vanished_at === null).reverse()
  c.header('content-disposition', 'inline; filename="launches.ics"')
  return answer(c, 'text/calendar; charset=utf-8', await calendarOf([...listed, ...upcoming]))
})

board.get('/figures', async (c) => {
  const { db, now, base } = c.var.board
  const range = figuresRange(now(), c.req.query('years'))
  const figures = await emptyIfNoTables(readFigures(db, range), NO_FIGURES)
  return inReadersLanguage(c, <FiguresPage c={c} base={base} range={range} figures={figures} />)
})

board.use('/figures/:file', etag())
board.get('/figures/:file{[a-z]+\\.csv}', async (c) => {
  const { db, now } = c.var.board
  const file = c.req.param('file')
  const name = file.slice(0, -'.csv'.length)
  if (!isFiguresName(name)) throw notFound(`No figures '${file}'.`)
  const figures = await emptyIfNoTables(readFigures(db, figuresRange(now(), c.req.query('years'))), NO_FIGURES)
  c.header('content-disposition', `inline; filename="launch-${file}"`)
  return answer(c, 'text/csv; charset=utf-8', figuresCsv(figures, name))
})

board.get('/launches.atom', async (c) => {
  const { db, base } = c.var.board
  const wanted = { launchId: null, since: undefined, limit: CHANGES_IN_FEED }
  const changes = await emptyIfNoTables(readChanges(db, wanted), [])
  return answer(c, 'application/atom+xml; charset=utf-8', await feedOf(changes, `${originOf(c) ?? ''}${base}`))
})

board.get('/outbox', async (c) => {
  const [messages, channels] = await Promise.all([
    emptyIfNoTables(listMessages(c.var.board.db, { all: true, limit: MAX_ROWS }), []),
    channelsFor(c),
  ])
  return c.html(<OutboxPage c={c} {...channels} messages={messages} />)
})

for (const change of CHANGES) {
  const path = `/outbox/:id/${change}`
  board.use(path, requireRole('operator'))

  board.get(path, async (c) => {
    const message = await messageOf(c)
    return c.html(<ChangePage c={c} {...(await channelsFor(c))} change={change} message={message} />)
  })

  board.post(path, async (c) => {
    const { db, base, dagId } = c.var.board
    const { outbox_id } = await messageOf(c)
    try {
      await (change === 'resend' ? resend : forget)(db, outbox_id)
    } catch (error) {
      // The message has changed since the page with the button, or the user came by another way.
      if (!(error instanceof TminusError && error.code === 'message_state')) throw error
      const now = await messageOf(c)
      const page = (
        <ChangePage c={c} {...(await channelsFor(c))} change={change} message={now} problem={error.message} />
      )
      return c.html(page, 409)
    }
    c.var.site.log.info({ dag_id: dagId, outbox_id, user: c.var.viewer.name }, LOGGED[change])
    return c.redirect(`${base}/outbox`, 303)
  })
}

board.get('/rejects', async (c) => {
  const { db, base } = c.var.board
  return c.html(
    <RejectsPage c={c} base={base} rejects={await emptyIfNoTables(query.rejectedLaunches(db, MAX_ROWS), [])} />,
  )
})

for (const name of ['board.css', 'board.js', 'world.svg'] satisfies AssetName[])
  board.get(`/${name}`, (c) => {
    const { body, type, hash } = assetOf(name)
    const isNamed = c.req.query('v') === hash
    c.header('content-type', type)
    c.header('cache-control', isNamed ? 'public, max-age=31536000, immutable' : 'no-cache')
    return c.body(body)
  })

export default board

/** A page in the language of its reader. A cache may give it only to readers with the same Accept-Language. */
function inReadersLanguage(c: WebContext, page: Child) {
  c.header('vary', 'Accept-Language', { append: true })
  return c.html(<ReaderContext.Provider value={readerOf(c)}>{page}</ReaderContext.Provider>)
}

/** Paths for calendar programs and feed readers. They cannot sign in, so `/account` creates an address with a token. */
export const calendars = ['/launches.ics', '/launches.atom']

const LOGGED = { resend: 'message to send again on the page', forget: 'message discarded on the page' }

const MAX_CHANGES = 500
const MAX_ROWS = 100
const CHANGES_IN_FEED = 100
/** The maximum number of launches in one JSON page or calendar. */
const PER_FILE = 500
/**
 * The number of flown launches in the calendar. A launch that is no longer in the calendar disappears from the
 * calendars of subscribers.
 */
const FLOWN_IN_CALENDAR = 50
const NO_PLACES = { places: [], total: 0 }
const NO_AGE = { asOf: undefined, nextLook: undefined, calls: undefined }

async function homeOf(c: WebContext, isMap = false): Promise<Home> {
  const { db, now: clock, settings, base } = c.var.board as WebEnv<Settings>['Variables']['board']
  const now = clock()
  const filter = isMap ? { ...filterOf(c), month: '' } : filterOf(c)
  const page = filter.month === '' && !isMap ? pageOf(c) : 1
  const range =
    filter.month === ''
      ? { now, limit: PER_PAGE, offset: (page - 1) * PER_PAGE }
      : { now, limit: MOST_IN_MONTH, around: true }
  // Read the mark before the data: a change in between then triggers a refresh.
  const live = await liveOf(c)
  const [featured, launches, { places, total }, facets, age] = await Promise.all([
    emptyIfNoTables(query.featuredLaunch(db, now), undefined),
    isMap ? [] : emptyIfNoTables(query.boardLaunches(db, filter, range), []),
    isMap ? emptyIfNoTables(readPlaces(db, filter, now), NO_PLACES) : countOnly(c, filter, now),
    emptyIfNoTables(readFacets(db, filter, now), NO_FACETS),
    emptyIfNoTables(dataAge(db, settings, now), NO_AGE),
  ])
  const activity = age.asOf === undefined ? await readActivity(c).catch(() => undefined) : undefined
  return { now, base, filter, page, featured, launches, places, total, facets, age, activity, live }
}

async function countOnly(c: WebContext, filter: LaunchFilter, now: Date) {
  return { places: undefined, total: await emptyIfNoTables(query.countLaunches(c.var.board.db, filter, now), 0) }
}

/** What the pages of the outbox show about the channels. */
async function channelsFor(c: WebContext) {
  const { db, base, settings } = c.var.board as WebEnv<Settings>['Variables']['board']
  const disabled = await emptyIfNoTables(listDisabled(db), [])
  return { base, disabled, nameOf: channelNames(() => settings) }
}

async function messageOf(c: WebContext): Promise<ListedMessage> {
  const id = c.req.param('id') ?? ''
  const isId = /^[1-9]\d{0,14}$/.test(id)
  const found = isId ? await emptyIfNoTables(readMessage(c.var.board.db, Number(id)), undefined) : undefined
  if (found === undefined) throw notFound(`No message '${id.slice(0, 100)}' is in the outbox.`)
  return found
}

/**
 * Answers with a Buffer and its ETag. If the answer were a string, hono would read it twice as a stream: to hash it and
 * to compress it.
 */
function answer(c: WebContext, type: string, text: string): Response {
  const body = Buffer.from(text)
  c.header('content-type', type)
  c.header('cache-control', 'private, no-cache')
  // The ETag is weak, because the compressed answer has the same ETag.
  c.header('etag', `W/"${hash('sha1', body, 'base64url')}"`)
  return c.body(body)
}

/**
 * Before the pipeline's first run there are no tables. The page then shows an empty list instead of an error. Tables of an
 * older version have launches that this version cannot read: an empty calendar would delete them for its subscribers.
 */
async function emptyIfNoTables<T>(read: Promise<T>, empty: T, isEmpty = isMissingTable): Promise<T> {
  return await read.catch((error: unknown) => {
    if (isEmpty(error)) return empty
    if (isOlderTable(error)) throw unavailable(`${olderTables()}.`)
    throw error
  })
}

function pageOf(c: WebContext): number {
  const page = Number(c.req.query('page'))
  return Number.isSafeInteger(page) && page >= 1 && page <= 10_000 ? page : 1
}

/** The dag whose runs refresh the page. Undefined if the runner's database is down: the page then does not refresh. */
async function liveOf(c: WebContext): Promise<Home['live']> {
  const { dagId } = c.var.board
  const mark: string = await c.var.site.markOf('dag', dagId).catch(() => '')
  return mark === '' ? undefined : { key: `dag/${dagId}`, mark }
}
