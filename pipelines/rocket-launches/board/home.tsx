/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { commandFor } from 'tminus'
import { Empty, Page, type WebContext } from 'tminus/web'
import type { Age } from './age.ts'
import { assetLinks } from './assets.ts'
import { DataAge } from './data-age.tsx'
import { Hero } from './hero.tsx'
import { LaunchList } from './list.tsx'
import { DrawnRocket, Picture } from './parts.tsx'
import type { Asked, BoardLaunch } from './query.ts'
import { descriptionOf, shareOf } from './share.ts'
import { brief, isTimed } from './words.ts'

export interface Home {
  now: Date
  base: string
  asked: Asked
  page: number
  featured: BoardLaunch | undefined
  launches: readonly BoardLaunch[]
  total: number
  providers: readonly { provider: string; launches: number }[]
  age: Age
  /** What the page follows; undefined where the runner's database is away. */
  live: { key: string; mark: string } | undefined
}

export const PER_PAGE = 50

export function HomePage({ c, home }: { c: WebContext; home: Home }) {
  const { featured, base, now, live } = home
  return (
    <Page c={c} {...toldOf(home)} {...assetLinks(base)}>
      <DrawnRocket />
      {live && <div data-live={live.key} data-mark={live.mark} data-refresh="parts" />}
      {isAsked(home) ? <Coming c={c} home={home} /> : <Next home={home} />}
      <div id="part-age" data-part data-now={now.toISOString()}>
        <DataAge age={home.age} now={now} base={home.base} />
      </div>
      {!isAsked(home) && (featured || home.age.asOf) && <Coming c={c} home={home} />}
    </Page>
  )
}

/** Its title and description: what it opens with, or what it was asked for. */
function toldOf(home: Home) {
  const { asked, page, featured, base, now } = home
  const path = `${base}/${queryOf(asked, page)}`
  if (isAsked(home)) {
    const search = asked.search && ` with “${brief(asked.search, 60)}”`
    const by = asked.provider && ` of ${brief(asked.provider, 60)}`
    const title = `${listTitle(asked)}${by}${search}${page > 1 ? `, page ${page}` : ''}`
    return { title, description: `${title}: rocket launches, live`, share: { path } }
  }
  const next = featured && `${leadOf(featured, now)}: ${brief(featured.name, 100)}`
  return {
    title: next ?? 'Launches',
    description: featured ? descriptionOf(featured) : 'The next rocket launches, live',
    share: shareOf(featured, base, path),
  }
}

function listTitle({ past }: Asked): string {
  return past ? 'Past launches' : 'Coming launches'
}

function Next({ home: { featured, age, base, now } }: { home: Home }) {
  return (
    <div id="part-next" data-part>
      {featured ? (
        <Hero launch={featured} now={now} base={base} lead={leadOf(featured, now)} />
      ) : (
        <NoLaunch isRead={age.asOf !== undefined} />
      )}
    </div>
  )
}

/** The list with what it is asked for. */
function Coming({ c, home }: { c: WebContext; home: Home }) {
  const { asked, launches, now, base } = home
  const title = listTitle(asked)
  return (
    <section class="coming" aria-labelledby="coming-title">
      <div class="head">
        {isAsked(home) ? <h1 id="coming-title">{title}</h1> : <h2 id="coming-title">{title}</h2>}
        <nav class="which" aria-label="Which launches">
          <a href={href(home, { past: false })} aria-current={asked.past ? undefined : 'page'}>
            To come
          </a>
          <a href={href(home, { past: true })} aria-current={asked.past ? 'page' : undefined}>
            Past
          </a>
        </nav>
      </div>
      <Filter home={home} />
      <div id="part-list" data-part>
        <LaunchList launches={launches} asked={asked} now={now} base={base} />
        <Pager home={home} />
      </div>
      <TakeAway c={c} home={home} />
    </section>
  )
}

/** Who asks for a list is shown that alone. */
function isAsked({ asked: { past, search, provider }, page }: Home): boolean {
  return past || search !== '' || provider !== '' || page > 1
}

function leadOf({ net, ...launch }: BoardLaunch, now: Date): string {
  return isTimed(launch) && net < now ? 'Just now' : 'Next launch'
}

/** Nothing is to come: before the first run what to do, else that there is nothing. */
function NoLaunch({ isRead }: { isRead: boolean }) {
  if (isRead)
    return (
      <>
        <h1 class="hidden">Launches</h1>
        <Empty title="No launch is announced">Launch Library was read and lists none that is still to come.</Empty>
      </>
    )
  return (
    <section class="hero first">
      <div class="hero-text">
        <h1>No launches yet</h1>
        <p>Read them from Launch Library, which takes a few seconds:</p>
        <p class="command">
          <code>{commandFor('pipeline rocket-launches')}</code>
        </p>
        <p class="muted">
          With <code>{commandFor('start')}</code> they stay up to date by themselves. This page shows them as soon as
          they are there.
        </p>
      </div>
      <figure class="hero-picture">
        <Picture launch={{ launch_id: 'none', image_url: null, thumbnail_url: null }} hero />
      </figure>
    </section>
  )
}

function Filter({ home: { asked, providers, base } }: { home: Home }) {
  const known = providers.some(({ provider }) => provider === asked.provider)
  return (
    <search>
      <form class="bar-form" method="get" action={`${base}/`} id="filter">
        {asked.past && <input type="hidden" name="show" value="past" />}
        <label class="hidden" for="q">
          Search names, missions, rockets, places
        </label>
        <input
          type="search"
          id="q"
          name="q"
          value={asked.search}
          placeholder="Name, mission, rocket, place"
          maxlength={200}
        />
        <label class="hidden" for="provider">
          Provider
        </label>
        <select id="provider" name="provider" data-submit>
          <option value="">Every provider</option>
          {!known && asked.provider !== '' && (
            <option value={asked.provider} selected>
              {brief(asked.provider, 60)}
            </option>
          )}
          {providers.map(({ provider, launches }) => (
            <option value={provider} selected={provider === asked.provider}>
              {brief(provider, 60)} ({launches})
            </option>
          ))}
        </select>
        <button type="submit">Search</button>
        {(asked.search !== '' || asked.provider !== '') && (
          <a href={asked.past ? `${base}/?show=past` : `${base}/`}>Clear</a>
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

/** The same launches for a calendar and for programs. Where users sign in, a calendar program needs an address of its own. */
function TakeAway({ c, home }: { c: WebContext; home: Home }) {
  const query = queryOf(home.asked, 1)
  const signedIn = c.var.viewer.name !== null
  return (
    <p class="take-away">
      <a href={`${home.base}/launches.ics${query}`}>Calendar</a>
      {signedIn ? ' and ' : ' to subscribe to, and '}
      <a href={`${home.base}/launches.json${query}`}>JSON</a>, of{' '}
      {query === '' ? 'all launches to come' : 'what is searched for here'}.
      {signedIn && (
        <>
          {' '}
          To subscribe, <a href="/account#calendar">make a calendar address</a>.
        </>
      )}
    </p>
  )
}

function href({ asked, base }: Home, change: { past?: boolean; page?: number }): string {
  const { page = 1, ...of } = change
  return `${base}/${queryOf({ ...asked, ...of }, page)}`
}

function queryOf({ past, search, provider }: Asked, page: number): string {
  const query = new URLSearchParams({
    ...(past && { show: 'past' }),
    ...(search !== '' && { q: search }),
    ...(provider !== '' && { provider }),
    ...(page > 1 && { page: String(page) }),
  })
  return query.size === 0 ? '' : `?${query}`
}
