/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { commandFor } from 'tminus'
import { AttentionNotice, type DagActivity, Empty, Page, type WebContext } from 'tminus/web'
import type { Age } from './age.ts'
import { assetLinks } from './assets.ts'
import { DataAge } from './data-age.tsx'
import { Hero } from './hero.tsx'
import { LaunchList } from './list.tsx'
import { DrawnRocket, Instant, Picture, RelativeTime } from './parts.tsx'
import type { BoardLaunch, LaunchFilter } from './query.ts'
import { descriptionOf, shareOf } from './share.ts'
import { brief, isTimed } from './words.ts'

export interface Home {
  now: Date
  base: string
  filter: LaunchFilter
  page: number
  featured: BoardLaunch | undefined
  launches: readonly BoardLaunch[]
  total: number
  providers: readonly { provider: string; launches: number }[]
  age: Age
  /** What the pipeline does; only read before the first launches are stored. */
  activity: DagActivity | undefined
  /** The dag whose changes refresh the page; undefined while the runner's database is down. */
  live: { key: string; mark: string } | undefined
}

export const PER_PAGE = 50

export function HomePage({ c, home }: { c: WebContext; home: Home }) {
  const { featured, base, now, live } = home
  return (
    <Page c={c} {...headOf(home)} {...assetLinks(base)}>
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
function headOf(home: Home) {
  const { filter, page, featured, base, now } = home
  const path = `${base}/${queryOf(filter, page)}`
  if (isFiltered(home)) {
    const search = filter.search && ` with “${brief(filter.search, 60)}”`
    const by = filter.provider && ` of ${brief(filter.provider, 60)}`
    const title = `${listTitle(filter)}${by}${search}${page > 1 ? `, page ${page}` : ''}`
    return { title, description: `${title}: rocket launches, live`, share: { path } }
  }
  const next = featured && `${leadOf(featured, now)}: ${brief(featured.name, 100)}`
  return {
    title: next ?? 'Launches',
    description: featured ? descriptionOf(featured) : 'The next rocket launches, live',
    share: shareOf(featured, base, path),
  }
}

function listTitle({ past }: LaunchFilter): string {
  return past ? 'Past launches' : 'Upcoming launches'
}

function NextLaunch({ home }: { home: Home }) {
  const { featured, base, now } = home
  return (
    <div id="part-next" data-part>
      {featured ? (
        <Hero launch={featured} now={now} base={base} lead={leadOf(featured, now)} />
      ) : (
        <NoLaunch home={home} />
      )}
    </div>
  )
}

/** The search form, the list and its pages. */
function LaunchSection({ c, home }: { c: WebContext; home: Home }) {
  const { filter, launches, now, base } = home
  const title = listTitle(filter)
  return (
    <section class="coming" aria-labelledby="coming-title">
      <div class="head">
        {isFiltered(home) ? <h1 id="coming-title">{title}</h1> : <h2 id="coming-title">{title}</h2>}
        <nav class="which" aria-label="Which launches">
          <a href={href(home, { past: false })} aria-current={filter.past ? undefined : 'page'}>
            Upcoming
          </a>
          <a href={href(home, { past: true })} aria-current={filter.past ? 'page' : undefined}>
            Past
          </a>
        </nav>
      </div>
      <Filter home={home} />
      <div id="part-list" data-part>
        <LaunchList launches={launches} filter={filter} now={now} base={base} />
        <Pager home={home} />
      </div>
      <ExportLinks c={c} home={home} />
    </section>
  )
}

/** A filtered page shows only the list, without the next launch. */
function isFiltered({ filter: { past, search, provider }, page }: Home): boolean {
  return past || search !== '' || provider !== '' || page > 1
}

function leadOf({ net, ...launch }: BoardLaunch, now: Date): string {
  return isTimed(launch) && net < now ? 'Just now' : 'Next launch'
}

/** The page if there is no upcoming launch. Before the first read, it says when Launch Library is read. */
function NoLaunch({ home: { age, activity, now } }: { home: Home }) {
  if (age.asOf !== undefined)
    return (
      <>
        <h1 class="hidden">Launches</h1>
        <Empty title="No upcoming launches">Launch Library lists none at the moment.</Empty>
      </>
    )
  return (
    <section class="hero first">
      <div class="hero-text">
        <h1>No launches yet</h1>
        <FirstRead activity={activity} nextLook={age.nextLook} now={now} />
        <p class="muted">This page shows the launches as soon as they are stored.</p>
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
  if (activity === undefined) return <p>The database of the runs does not answer, so the next read is unknown.</p>
  const { isExecuted, paused, next, latest } = activity
  if (!isExecuted)
    return (
      <>
        <p>No process reads Launch Library. Start one:</p>
        <p class="command">
          <code>{commandFor('start')}</code>
        </p>
      </>
    )
  if (latest?.state === 'running' || latest?.state === 'queued') return <p>Launch Library is being read now.</p>
  const at = nextLook && next && nextLook > next ? nextLook : next
  return (
    <>
      {latest?.state === 'failed' && (
        <p>
          The last read failed: <a href={`/dags/rocket-launches/runs/${encodeURIComponent(latest.runId)}`}>its run</a>.
        </p>
      )}
      {paused || at === undefined ? (
        <p>
          The pipeline is {paused ? 'paused' : 'not scheduled'}:{' '}
          <a href="/dags/rocket-launches">{paused ? 'unpause it' : 'run it'}</a>.
        </p>
      ) : (
        <p>
          The next read of Launch Library is at <Instant at={at} /> (<RelativeTime at={at} now={now} />
          ).
        </p>
      )}
    </>
  )
}

function Filter({ home: { filter, providers, base } }: { home: Home }) {
  const known = providers.some(({ provider }) => provider === filter.provider)
  return (
    <search>
      <form class="bar-form" method="get" action={`${base}/`} id="filter">
        {filter.past && <input type="hidden" name="show" value="past" />}
        <label class="hidden" for="q">
          Search names, missions, rockets, places
        </label>
        <input
          type="search"
          id="q"
          name="q"
          value={filter.search}
          placeholder="Name, mission, rocket, place"
          maxlength={200}
        />
        <label class="hidden" for="provider">
          Provider
        </label>
        <select id="provider" name="provider" data-submit>
          <option value="">Every provider</option>
          {!known && filter.provider !== '' && (
            <option value={filter.provider} selected>
              {brief(filter.provider, 60)}
            </option>
          )}
          {providers.map(({ provider, launches }) => (
            <option value={provider} selected={provider === filter.provider}>
              {brief(provider, 60)} ({launches})
            </option>
          ))}
        </select>
        <button type="submit">Search</button>
        {(filter.search !== '' || filter.provider !== '') && (
          <a href={filter.past ? `${base}/?show=past` : `${base}/`}>Clear</a>
        )}
      </form>
    </search>
  )
}

function Pager({ home }: { home: Home }) {
  const { page, total } = home
  const pages = Math.ceil(total / PER_PAGE)
  if (pages <= 1 && page === 1) return null
  return (
    <nav class="pager" aria-label="Pages">
      {page > 1 && (
        <a class="button" rel="prev" href={href(home, { page: page - 1 })}>
          Earlier page
        </a>
      )}
      <span class="muted">
        Page {page} of {Math.max(1, pages)}, {total} launches
      </span>
      {page < pages && (
        <a class="button" rel="next" href={href(home, { page: page + 1 })}>
          Next page
        </a>
      )}
    </nav>
  )
}

/** Links to the same launches as a calendar and as JSON. A signed-in user needs a calendar address of their own. */
function ExportLinks({ c, home }: { c: WebContext; home: Home }) {
  const query = queryOf(home.filter, 1)
  const signedIn = c.var.viewer.name !== null
  return (
    <p class="take-away">
      <a href={`${home.base}/launches.ics${query}`}>Calendar</a>
      {signedIn ? ' and ' : ' (subscribe to this address) and '}
      <a href={`${home.base}/launches.json${query}`}>JSON</a> with{' '}
      {query === '' ? 'all upcoming launches' : 'the results of this search'}.
      {signedIn && (
        <>
          {' '}
          To subscribe, <a href="/account#calendar">make a calendar address</a>.
        </>
      )}
    </p>
  )
}

function href({ filter, base }: Home, change: { past?: boolean; page?: number }): string {
  const { page = 1 } = change
  return `${base}/${queryOf({ ...filter, ...change }, page)}`
}

function queryOf({ past, search, provider }: LaunchFilter, page: number): string {
  const query = new URLSearchParams({
    ...(past && { show: 'past' }),
    ...(search !== '' && { q: search }),
    ...(provider !== '' && { provider }),
    ...(page > 1 && { page: String(page) }),
  })
  return query.size === 0 ? '' : `?${query}`
}
