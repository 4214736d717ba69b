/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { commandFor } from 'tminus'
import { AttentionNotice, type DagActivity, Empty, originOf, Page, type WebContext } from 'tminus/web'
import { isNarrow, type LaunchFilter, queryOf } from './address.ts'
import type { Age } from './age.ts'
import { assetLinks } from './assets.ts'
import { DataAge } from './data-age.tsx'
import type { Facets } from './facets.ts'
import { Filter, filterText } from './filter.tsx'
import { Hero } from './hero.tsx'
import { LaunchList } from './list.tsx'
import { spanOf } from './month.ts'
import { MonthCalendar, MonthLinks } from './month-calendar.tsx'
import { DrawnRocket, Instant, Picture, RelativeTime } from './parts.tsx'
import type { Place } from './places.ts'
import { Places } from './places-map.tsx'
import type { BoardLaunch } from './query.ts'
import { type Reader, readerOf, useReader } from './reader.ts'
import { descriptionOf, shareOf } from './share.ts'
import { Views } from './views.tsx'
import { brief, isTimed, monthText } from './words.ts'

export interface Home {
  now: Date
  base: string
  filter: LaunchFilter
  page: number
  featured: BoardLaunch | undefined
  launches: readonly BoardLaunch[]
  total: number
  /** The places of the launches, on the map only. */
  places: readonly Place[] | undefined
  facets: Facets
  age: Age
  /** What the pipeline does; only read before the first launches are stored. */
  activity: DagActivity | undefined
  /** The dag whose changes refresh the page; undefined while the runner's database is down. */
  live: { key: string; mark: string } | undefined
}

export const PER_PAGE = 50

export function HomePage({ c, home }: { c: WebContext; home: Home }) {
  const { featured, base, now, live } = home
  const reader = readerOf(c)
  const feed = { href: `${base}/launches.atom`, title: reader.board.take.changes }
  return (
    <Page c={c} lang={reader.language} feeds={[feed]} {...headOf(home, reader)} {...assetLinks(base)}>
      <DrawnRocket />
      {live && <div data-live={live.key} data-mark={live.mark} data-refresh="parts" />}
      <div id="part-attention" data-part>
        <AttentionNotice c={c} />
      </div>
      {isFiltered(home) ? <LaunchSection c={c} home={home} /> : <NextLaunch home={home} />}
      <div id="part-age" data-part data-now={now.toISOString()}>
        <DataAge age={home.age} now={now} base={home.base} />
      </div>
      {!isFiltered(home) && (featured || home.age.asOf) && <LaunchSection c={c} home={home} />}
    </Page>
  )
}

/** Title, description and link preview of the page. They describe the next launch or the search. */
function headOf(home: Home, reader: Reader) {
  const { board } = reader
  const { filter, page, featured, base, now } = home
  const path = `${pathOf(home)}${queryOf(filter, page)}`
  if (isFiltered(home)) {
    const search = filter.search && board.head.with(brief(filter.search, 60))
    const narrowed = filterText(filter, board)
    const by = narrowed && board.head.of(brief(narrowed, 120))
    const title = `${headTitle(home, reader)}${by}${search}${page > 1 ? board.head.page(page) : ''}`
    return { title, description: board.head.live(title), share: { path } }
  }
  const next = featured && `${leadOf(featured, now, board)}: ${brief(featured.name, 100)}`
  return {
    title: next ?? board.launches,
    description: featured ? descriptionOf(featured, reader) : board.head.about,
    share: shareOf(featured, base, reader, path),
  }
}

/** The title of the window, which stands alone. */
function headTitle({ filter, places }: Home, reader: Reader): string {
  const [title, { calendar, map }] = [listTitle(filter, reader), reader.board]
  if (places) return map.titleOf(title)
  return filter.month === '' ? title : calendar.launchesIn(title)
}

function listTitle({ past, month }: LaunchFilter, reader: Reader): string {
  if (month !== '') return monthText(spanOf(month).from, reader)
  return past ? reader.board.pastLaunches : reader.board.upcomingLaunches
}

function NextLaunch({ home }: { home: Home }) {
  const { featured, base, now } = home
  return (
    <div id="part-next" data-part>
      {featured ? (
        <Hero launch={featured} now={now} base={base} lead={leadOf(featured, now, useReader().board)} />
      ) : (
        <NoLaunch home={home} />
      )}
    </div>
  )
}

/** The search form, and the list with its pages or the calendar. */
function LaunchSection({ c, home }: { c: WebContext; home: Home }) {
  const { filter } = home
  const title = listTitle(filter, useReader())
  return (
    <section class="coming" aria-labelledby="coming-title">
      <div class="head">
        {isFiltered(home) ? <h1 id="coming-title">{title}</h1> : <h2 id="coming-title">{title}</h2>}
        {filter.month === '' ? <Lists home={home} /> : <MonthLinks {...home} />}
        <Views {...home} isMap={home.places !== undefined} />
        <Subscribe c={c} home={home} />
      </div>
      <Filter filter={filter} facets={home.facets} total={home.total} path={pathOf(home)} />
      <div id="part-list" data-part>
        <Launches home={home} />
      </div>
      <ExportLinks c={c} home={home} />
    </section>
  )
}

function Launches({ home }: { home: Home }) {
  const { filter, places } = home
  if (places && places.length > 0) return <Places {...home} places={places} />
  if (filter.month !== '') return <MonthCalendar {...home} />
  return (
    <>
      <LaunchList {...home} />
      {!places && <Pager home={home} />}
    </>
  )
}

function Lists({ home }: { home: Home }) {
  const { board, figures } = useReader()
  const { past } = home.filter
  return (
    <nav class="which" aria-label={board.which}>
      <a href={href(home, { past: false })} aria-current={past ? undefined : 'page'}>
        {board.upcoming}
      </a>
      <a href={href(home, { past: true })} aria-current={past ? 'page' : undefined}>
        {board.past}
      </a>
      <a href={`${home.base}/figures`}>{figures.link}</a>
    </nav>
  )
}

/** A filtered page shows only the list, the calendar or the map, without the next launch. */
function isFiltered({ filter, page, places }: Home): boolean {
  return places !== undefined || filter.past || filter.month !== '' || isNarrow(filter) || page > 1
}

function leadOf({ net, ...launch }: BoardLaunch, now: Date, board: Reader['board']): string {
  return isTimed(launch) && net < now ? board.justNow : board.next
}

/** The page if there is no upcoming launch. Before the first read, it says when Launch Library is read. */
function NoLaunch({ home: { age, activity, now } }: { home: Home }) {
  const { launches, none } = useReader().board
  if (age.asOf !== undefined)
    return (
      <>
        <h1 class="hidden">{launches}</h1>
        <Empty title={none.upcoming}>{none.listed}</Empty>
      </>
    )
  return (
    <section class="hero first">
      <div class="hero-text">
        <h1>{none.yet}</h1>
        <FirstRead activity={activity} nextLook={age.nextLook} now={now} />
        <p class="muted">{none.soon}</p>
      </div>
      <figure class="hero-picture">
        <Picture launch={{ launch_id: 'none', image_url: null, thumbnail_url: null }} hero />
      </figure>
    </section>
  )
}

interface FirstReadProps {
  activity: DagActivity | undefined
  nextLook: Date | undefined
  now: Date
}

function FirstRead({ activity, nextLook, now }: FirstReadProps) {
  const { none } = useReader().board
  if (activity === undefined) return <p>{none.unknown}</p>
  const { isExecuted, paused, next, latest } = activity
  if (!isExecuted)
    return (
      <>
        <p>{none.start}</p>
        <p class="command">
          <code>{commandFor('start')}</code>
        </p>
      </>
    )
  if (latest?.state === 'running' || latest?.state === 'queued') return <p>{none.reading}</p>
  const at = nextLook && next && nextLook > next ? nextLook : next
  return (
    <>
      {latest?.state === 'failed' && (
        <p>
          {none.failed} <a href={`/dags/rocket-launches/runs/${encodeURIComponent(latest.runId)}`}>{none.itsRun}</a>.
        </p>
      )}
      {paused || at === undefined ? (
        <p>
          {paused ? none.paused : none.unscheduled}{' '}
          <a href="/dags/rocket-launches">{paused ? none.unpause : none.run}</a>.
        </p>
      ) : (
        <p>
          {none.nextRead} <Instant at={at} /> (<RelativeTime at={at} now={now} />
          ).
        </p>
      )}
    </>
  )
}

function Pager({ home }: { home: Home }) {
  const { page, total } = home
  const pages = Math.ceil(total / PER_PAGE)
  const { pages: texts } = useReader().board
  if (pages <= 1 && page === 1) return null
  return (
    <nav class="pager" aria-label={texts.label}>
      {page > 1 && (
        <a class="button" rel="prev" href={href(home, { page: page - 1 })}>
          {texts.earlier}
        </a>
      )}
      <span class="muted">{texts.position(page, Math.max(1, pages), total)}</span>
      {page < pages && (
        <a class="button" rel="next" href={href(home, { page: page + 1 })}>
          {texts.next}
        </a>
      )}
    </nav>
  )
}

/** Opens the calendar program of the reader. A signed-in user first needs a calendar address of their own. */
function Subscribe({ c, home: { filter, base } }: { c: WebContext; home: Home }) {
  const { take } = useReader().board
  const calendar = `${base}/launches.ics${queryOf({ ...filter, past: false, month: '' }, 1)}`
  const origin = originOf(c)
  const address = origin === undefined ? calendar : `${origin.replace(/^https?/, 'webcal')}${calendar}`
  return (
    <a class="button" href={c.var.viewer.name === null ? address : '/account#calendar'} title={take.subscribeTo}>
      {take.subscribe}
    </a>
  )
}

/** Links to the same launches as a calendar and as JSON. A signed-in user needs a calendar address of their own. */
function ExportLinks({ c, home }: { c: WebContext; home: Home }) {
  const query = queryOf({ ...home.filter, month: '' }, 1)
  const signedIn = c.var.viewer.name !== null
  const { take } = useReader().board
  return (
    <p class="take-away">
      <a href={`${home.base}/launches.ics${query}`}>{take.calendar}</a>
      {signedIn ? take.and : take.subscribable}
      <a href={`${home.base}/launches.json${query}`}>JSON</a>
      {query === '' ? take.all : take.found} <a href={`${home.base}/launches.atom`}>{take.changes}</a> (Atom).
      {signedIn && (
        <>
          {' '}
          {take.toSubscribe} <a href="/account#calendar">{take.make}</a>.
        </>
      )}
    </p>
  )
}

function href(home: Home, change: { past?: boolean; page?: number }): string {
  const { page = 1 } = change
  return `${pathOf(home)}${queryOf({ ...home.filter, ...change }, page)}`
}

function pathOf({ base, places }: Home): string {
  return places ? `${base}/map` : `${base}/`
}
