/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { OutLink, Time } from 'tminus/web'
import type { LaunchStory, Webcast } from '../../launches/launch-story.ts'
import type { PageWords } from '../../launches/words/page-en.ts'
import { pictureOf } from './parts.tsx'
import { brief } from './words.ts'

/** The only site whose videos play on this page, after a click. It sets no cookies before the video plays. */
export const VIDEO_SITE = 'https://www.youtube-nocookie.com'

/** All webcasts. The page's script shows the buttons, which replace the picture with the video. */
export function Webcasts({ webcasts, words }: { webcasts: readonly Webcast[]; words: PageWords }) {
  if (webcasts.length === 0) return null
  return (
    <section aria-labelledby="webcasts">
      <h2 id="webcasts">{words.webcasts}</h2>
      <ul class="webcasts">
        {webcasts.map((webcast) => (
          <Card webcast={webcast} words={words} />
        ))}
      </ul>
    </section>
  )
}

function Card({ webcast, words }: { webcast: Webcast; words: PageWords }) {
  const { url, kind, publisher, language, live, youtube, image } = webcast
  const title = brief(webcast.title, 120) || new URL(url).host
  const poster = pictureOf(image)
  const facts = [kind, publisher, language].map((fact) => brief(fact, 60)).filter(Boolean)
  return (
    <li class="webcast">
      {(poster || youtube) && (
        <div class="screen" data-video={youtube ?? undefined} data-title={title}>
          {poster && <img src={poster} alt="" width={480} height={270} loading="lazy" referrerpolicy="no-referrer" />}
          {youtube && (
            <button type="button" class="play" hidden title={words.playHint}>
              <svg class="icon" width="14" height="14" viewBox="0 0 16 16" aria-hidden="true">
                <path d="M5 3l8 5-8 5z" />
              </svg>
              {words.play}
              <span class="hidden">: {title}</span>
            </button>
          )}
        </div>
      )}
      <p>
        {live && <span class="state launch-live">{words.live}</span>} <OutLink href={url}>{title}</OutLink>
      </p>
      <p class="sub">{facts.join(' · ')}</p>
    </li>
  )
}

/** News about the launch and links to pages about it. */
export function News({ story: { updates, pages }, words }: { story: LaunchStory; words: PageWords }) {
  const [shown, older] = [updates.slice(0, SHOWN), updates.slice(SHOWN)]
  return (
    <>
      {updates.length > 0 && (
        <section aria-labelledby="news">
          <h2 id="news">{words.news}</h2>
          <Updates updates={shown} />
          {older.length > 0 && (
            <details>
              <summary>{words.olderNews(older.length)}</summary>
              <Updates updates={older} />
            </details>
          )}
        </section>
      )}
      {pages.length > 0 && (
        <section aria-labelledby="pages">
          <h2 id="pages">{words.pages}</h2>
          <ul class="pages">
            {pages.map(({ url, title }) => (
              <li>
                <OutLink href={url}>{brief(title, 120) || hostOf(url)}</OutLink>{' '}
                {title && brief(title, 120) !== hostOf(url) && <span class="sub">{hostOf(url)}</span>}
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  )
}

const SHOWN = 6

function Updates({ updates }: { updates: LaunchStory['updates'] }) {
  return (
    <ol class="changes">
      {updates.map(({ at, text, by, url }) => (
        <li>
          <Time at={at} show="short" />
          <span>
            {brief(text, 600)} <span class="sub">{brief(by, 60)}</span>
            {url && (
              <span class="sub">
                {by && ' · '}
                <OutLink href={url}>{hostOf(url)}</OutLink>
              </span>
            )}
          </span>
        </li>
      ))}
    </ol>
  )
}

function hostOf(url: string): string {
  return brief(new URL(url).host.replace(/^www\./, ''), 40)
}
