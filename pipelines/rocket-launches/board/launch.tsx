/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { commandFor } from 'tminus'
import { Facts, Page, Time, type WebContext } from 'tminus/web'
import { describeChanges } from '../../launches/launch-text.ts'
import type { StoredChange } from '../../launches/read-launches.ts'
import { assetLinks } from './assets.ts'
import { SlipChart } from './chart.tsx'
import { Hero } from './hero.tsx'
import { DrawnRocket, Instant } from './parts.tsx'
import type { BoardLaunch, SentMessage } from './query.ts'
import { SentMessages } from './sent.tsx'
import { descriptionOf, shareOf } from './share.ts'
import { chartOf, netHistory } from './slips.ts'
import { brief, isTimed } from './words.ts'

export interface OneLaunch {
  launch: BoardLaunch
  /** Newest first. */
  changes: readonly StoredChange[]
  messages: readonly SentMessage[]
  now: Date
  base: string
  live: { key: string; mark: string } | undefined
}

/** A launch's own page. */
export function LaunchPage({ c, one }: { c: WebContext; one: OneLaunch }) {
  const { launch, base, now, live } = one
  return (
    <Page
      c={c}
      title={brief(launch.name, 100)}
      description={descriptionOf(launch)}
      share={shareOf(launch, base)}
      {...assetLinks(base)}
    >
      <DrawnRocket />
      {live && <div data-live={live.key} data-mark={live.mark} data-refresh="parts" />}
      <p class="crumbs">
        <a href={`${base}/`}>Launches</a>
      </p>
      <div id="part-launch" data-part data-now={now.toISOString()}>
        <Hero launch={launch} now={now} base={base} />
      </div>
      <div class="launch-more">
        <div>
          <About launch={launch} />
          <div id="part-moves" data-part>
            <Moves one={one} />
          </div>
        </div>
        <div id="part-sent" data-part>
          <SentMessages messages={one.messages} now={now} />
        </div>
      </div>
    </Page>
  )
}

function About({ launch }: { launch: BoardLaunch }) {
  const paragraphs = (launch.mission_description ?? '').slice(0, 20_000).split(/\s*\n\s*\n\s*|\r\n/)
  return (
    <section aria-labelledby="about">
      <h2 id="about">About</h2>
      {paragraphs.filter((text) => text.trim() !== '').length === 0 && (
        <p class="muted">Launch Library has no description yet.</p>
      )}
      {paragraphs.map((text) => text.trim() !== '' && <p>{text.trim()}</p>)}
      <Facts
        facts={[
          ['Window', windowOf(launch)],
          ['Last change', launch.updated_at && <Time at={launch.updated_at} />],
          ['Launch Library id', <span class="mono">{brief(launch.launch_id, 255)}</span>],
        ]}
      />
    </section>
  )
}

/** The launch window. Null if it has no length (the page shows the instant above), or if T-0 is a placeholder. */
function windowOf({ window_start, window_end, ...launch }: BoardLaunch) {
  if (!isTimed(launch) || !window_start || !window_end || window_start.getTime() === window_end.getTime()) return null
  return (
    <>
      <Time at={window_start} /> to <Time at={window_end} />
    </>
  )
}

/** A chart of how T-0 moved, and the list of all changes. */
function Moves({ one: { launch, changes, now } }: { one: OneLaunch }) {
  const history = netHistory(launch, changes)
  const chart = chartOf(history, now)
  const entries = describeChanges(changes)
  return (
    <section aria-labelledby="moves">
      <h2 id="moves">How it moved</h2>
      {chart ? (
        <SlipChart chart={chart} />
      ) : (
        <p class="muted">
          The launch date has not changed
          {launch.first_seen_at && (
            <>
              {' '}
              since this launch was first seen here on <Time at={launch.first_seen_at} show="date" />
            </>
          )}
          .
        </p>
      )}
      {entries.length > 0 && (
        <ol class="changes">
          {entries.slice(0, MAX_ENTRIES).map(({ seenAt, facts }) => (
            <li>
              <Time at={seenAt} />
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
          Older changes: <code>{commandFor(`launches changes ${brief(launch.launch_id, 255)}`)}</code>
        </p>
      )}
    </section>
  )
}

const MAX_ENTRIES = 60
