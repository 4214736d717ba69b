/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { commandFor } from 'tminus'
import { Facts, OutLink, Page, Time, type WebContext } from 'tminus/web'
import type { LaunchStory } from '../../launches/launch-story.ts'
import { describeChanges } from '../../launches/launch-text.ts'
import type { StoredChange } from '../../launches/read-launches.ts'
import type { PageWords } from '../../launches/words/page-en.ts'
import { assetLinks } from './assets.ts'
import { SlipChart } from './chart.tsx'
import { Description } from './description.tsx'
import { Earlier } from './earlier.tsx'
import { Hero } from './hero.tsx'
import { PadSection } from './pad.tsx'
import { DrawnRocket, Instant, pictureOf } from './parts.tsx'
import type { BoardLaunch, SentMessage } from './query.ts'
import { readerOf, useReader } from './reader.ts'
import type { BriefLaunch } from './related.ts'
import { RocketSection } from './rocket.tsx'
import { SentMessages } from './sent.tsx'
import { descriptionOf, shareOf } from './share.ts'
import { chartOf, netHistory } from './slips.ts'
import { Timeline } from './timeline.tsx'
import { News, Webcasts } from './webcasts.tsx'
import { brief, isTimed } from './words.ts'

export interface OneLaunch {
  launch: BoardLaunch
  /** Newest first. */
  changes: readonly StoredChange[]
  messages: readonly SentMessage[]
  story: LaunchStory
  /** Earlier launches of each booster, and from the same pad. */
  ofBoosters: readonly { serial: string; launches: readonly BriefLaunch[] }[]
  fromPad: readonly BriefLaunch[]
  now: Date
  base: string
  live: { key: string; mark: string } | undefined
}

/** A launch's own page. */
export function LaunchPage({ c, one }: { c: WebContext; one: OneLaunch }) {
  const { launch, story, base, now, live } = one
  const reader = readerOf(c)
  const { board, page: words } = reader
  const isLong = story.timeline.length > MOST_STEPS
  const sent = (
    <div id="part-sent" data-part>
      <SentMessages messages={one.messages} now={now} />
    </div>
  )
  return (
    <Page
      c={c}
      title={brief(launch.name, 100)}
      lang={reader.language}
      description={descriptionOf(launch, reader)}
      share={shareOf(launch, base, reader)}
      {...assetLinks(base)}
    >
      <DrawnRocket />
      {live && <div data-live={live.key} data-mark={live.mark} data-refresh="parts" />}
      <p class="crumbs">
        <a href={`${base}/`}>{board.launches}</a>
      </p>
      <div id="part-launch" data-part data-now={now.toISOString()}>
        <Hero launch={launch} now={now} base={base} />
      </div>
      <div class="launch-more">
        <div>
          <About launch={launch} story={story} />
          <RocketSection launch={launch} story={story} words={words} base={base} />
          <Webcasts webcasts={story.webcasts} words={words} />
        </div>
        <div class="launch-side">
          <div id="part-pad" data-part>
            <PadSection launch={launch} story={story} words={words} now={now} base={base} />
          </div>
          <div id="part-countdown" data-part>
            <Timeline launch={launch} timeline={story.timeline} words={words} now={now} />
          </div>
          {!isLong && sent}
        </div>
        <div>
          <div id="part-moves" data-part>
            <Moves one={one} />
          </div>
          <div id="part-news" data-part>
            <News story={story} words={words} />
          </div>
          <Earlier boosters={one.ofBoosters} fromPad={one.fromPad} words={words} base={base} />
          {isLong && sent}
        </div>
      </div>
    </Page>
  )
}

/** A longer countdown has the column at the side for itself, so that both columns are about as long. */
const MOST_STEPS = 10

function About({ launch, story }: { launch: BoardLaunch; story: LaunchStory }) {
  const { board, page: words } = useReader()
  const patch = pictureOf(story.patch?.url ?? null)
  const alt = brief(story.patch?.name, 80) || words.patch
  return (
    <section aria-labelledby="about" class="about">
      <h2 id="about">{board.about}</h2>
      {patch && (
        <img class="patch" src={patch} alt={alt} width={160} height={160} loading="lazy" referrerpolicy="no-referrer" />
      )}
      <Description text={launch.mission_description} />
      <Facts
        facts={[
          [words.programme, story.programmes.length > 0 && <Programmes programmes={story.programmes} />],
          [words.weather, weatherText(launch, story, words)],
          [words.numbers.title, numbersText(launch, story, words)],
          [board.facts.window, windowOf(launch)],
          [board.facts.lastChange, launch.updated_at && <Time at={launch.updated_at} show="short" />],
          [board.facts.id, <span class="mono">{brief(launch.launch_id, 255)}</span>],
        ]}
      />
    </section>
  )
}

function Programmes({ programmes }: Pick<LaunchStory, 'programmes'>) {
  return (
    <ul class="plain">
      {programmes.map(({ name, text, url }) => (
        <li title={brief(text, 400) || undefined}>
          <OutLink href={url}>{brief(name, 100)}</OutLink>
        </li>
      ))}
    </ul>
  )
}

function weatherText({ probability }: BoardLaunch, { weatherConcerns }: LaunchStory, words: PageWords): string {
  const parts = [
    probability === null ? '' : words.favourable(probability),
    weatherConcerns === null ? '' : words.concerns(brief(weatherConcerns, 160)),
  ]
  return parts.filter(Boolean).join(', ')
}

/** `212th orbital launch · 120th of SpaceX · 42nd from this pad` */
function numbersText({ provider }: BoardLaunch, { numbers }: LaunchStory, words: PageWords): string {
  const { orbitalThisYear, providerThisYear, padThisYear } = numbers
  const parts = [
    orbitalThisYear && words.numbers.orbital(orbitalThisYear),
    providerThisYear && provider && words.numbers.provider(providerThisYear, brief(provider, 80)),
    padThisYear && words.numbers.pad(padThisYear),
  ]
  return parts.filter(Boolean).join(' · ')
}

/** The launch window. Null if it has no length (the page shows the instant above), or if T-0 is a placeholder. */
function windowOf({ window_start, window_end, ...launch }: BoardLaunch) {
  if (!isTimed(launch) || !window_start || !window_end || window_start.getTime() === window_end.getTime()) return null
  return (
    <>
      <Time at={window_start} show="short" /> – <Time at={window_end} show="short" />
    </>
  )
}

/** A chart of how T-0 moved, and the list of all changes. */
function Moves({ one: { launch, changes, now } }: { one: OneLaunch }) {
  const history = netHistory(launch, changes)
  const chart = chartOf(history, now)
  const { words, board } = useReader()
  const { moves } = board
  const entries = describeChanges(changes, words)
  return (
    <section aria-labelledby="moves">
      <h2 id="moves">{moves.title}</h2>
      {chart ? (
        <SlipChart chart={chart} />
      ) : (
        <p class="muted">
          {launch.first_seen_at ? moves.since : moves.never}{' '}
          {launch.first_seen_at && <Time at={launch.first_seen_at} show="date" />}
        </p>
      )}
      {entries.length > 0 && (
        <ol class="changes">
          {entries.slice(0, MAX_ENTRIES).map(({ seenAt, facts }) => (
            <li>
              <Time at={seenAt} show="short" />
              <ul>
                {facts.map(([what, how]) => (
                  <li>
                    <span class="muted">{what}:</span>{' '}
                    {how.map((part) => (part instanceof Date ? <Instant at={part} /> : part.slice(0, 300)))}
                  </li>
                ))}
              </ul>
            </li>
          ))}
        </ol>
      )}
      {entries.length > MAX_ENTRIES && (
        <p class="sub">
          {moves.older} <code>{commandFor(`launches changes ${brief(launch.launch_id, 255)}`)}</code>
        </p>
      )}
    </section>
  )
}

const MAX_ENTRIES = 60
