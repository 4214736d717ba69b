/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { safeHref } from 'tminus/web'
import { isFlown, isToTheHour } from '../../launches/launch.ts'
import { detailsUrl } from '../../launches/launch-facts.ts'
import { statusText, statusWord } from '../../launches/launch-text.ts'
import type { BoardLaunch } from './query.ts'
import { type Reader, useReader } from './reader.ts'
import { brief, clockText, countdownOf, dayText, isTimed, periodText, relativeText } from './words.ts'

/** Icon paths in a 16 × 16 box, by status id. Shape, word and colour each show the status. */
const SHAPES: Readonly<Record<number, [tone: string, d: string]>> = {
  1: ['go', 'M3 8.5l3.5 3.5L13 4.5'],
  2: ['open', 'M8 2a6 6 0 1 0 .01 0M8 5v3.5M8 11v.01'],
  3: ['done', 'M3 8.5l3.5 3.5L13 4.5'],
  4: ['lost', 'M4 4l8 8M12 4l-8 8'],
  5: ['hold', 'M5.5 3v10M10.5 3v10'],
  6: ['flight', 'M8 13V3M4 7l4-4 4 4'],
  7: ['part', 'M8 2.5L14 13H2zM8 7v2.5M8 11.5v.01'],
  8: ['expected', 'M8 2a6 6 0 1 0 .01 0M8 5v3l2 2'],
  9: ['flight', 'M8 3v6M5 6.5L8 9l3-2.5M3 13h10'],
}

export function StatusMark({ launch, short = false }: { launch: StatusOf; short?: boolean }) {
  const { words, board } = useReader()
  return (
    <span class={`state ${statusTone(launch)}`} title={short ? brief(statusText(launch, words)) : undefined}>
      <StatusIcon launch={launch} />
      {brief(short ? shortStatus(launch, board) : statusText(launch, words), 40)}
    </span>
  )
}

/** The shape of a status in the colour of the text. */
export function StatusIcon({ launch }: { launch: StatusOf }) {
  const [, d] = shapeOf(launch)
  return (
    <svg class="icon" width="14" height="14" viewBox="0 0 16 16" aria-hidden="true">
      <path d={d} />
    </svg>
  )
}

/** The class that sets the colours of a status. */
export function statusTone(launch: StatusOf): string {
  return `launch-${shapeOf(launch)[0]}`
}

export function shortStatus(launch: StatusOf, board: Reader['board']): string {
  return board.short[launch.status_id ?? 0] ?? statusWord(launch)
}

function shapeOf({ status_id }: StatusOf): [tone: string, d: string] {
  return SHAPES[status_id ?? 0] ?? ['open', 'M4 8h8']
}

type StatusOf = Pick<BoardLaunch, 'status_id' | 'status_name'>

/**
 * Days, hours, minutes and seconds to T-0, or since then; no seconds if T-0 is known to the hour. The page's script
 * updates it.
 */
export function Countdown({ launch: { net, net_precision }, now }: { launch: BoardLaunch; now: Date }) {
  const { past, parts } = countdownOf(net, now)
  const { units, whenLoaded } = useReader().board
  return (
    <div class="countdown" role="timer" data-countdown={net.toISOString()}>
      <span class="t-sign">{past ? 'T+' : 'T−'}</span>
      {(isToTheHour(net_precision) ? parts.slice(0, 3) : parts).map((part, index) => (
        <span class="t-part" hidden={index === 0 && part === 0}>
          <span class="t-number">{String(part).padStart(2, '0')}</span> <span class="t-unit">{units[index]}</span>{' '}
        </span>
      ))}
      <noscript>
        <span class="sub">{whenLoaded}</span>
      </noscript>
    </div>
  )
}

/** The time with its zone, or the period in words. */
export function LaunchTime({ launch }: { launch: TimeOf }) {
  return isTimed(launch) ? (
    <>
      <Instant at={launch.net} /> <Margin launch={launch} />
    </>
  ) : (
    <span class="when-period">{periodText(launch, useReader())}</span>
  )
}

type TimeOf = Pick<BoardLaunch, 'net' | 'net_precision'>

/** `±1 h` beside a time that is known to the hour. */
export function Margin({ launch }: { launch: TimeOf }) {
  const { head, margin } = useReader().board
  if (!isToTheHour(launch.net_precision)) return null
  return (
    <span class="margin" title={head.exact[2]}>
      {margin}
    </span>
  )
}

/** `Sat 21 Nov 2026, 14:05 UTC` */
export function Instant({ at }: { at: Date }) {
  return (
    <time datetime={at.toISOString()} title={utcText(at)} data-zoned="long">
      {dayText(at, useReader(), true)}, {clockText(at)}
    </time>
  )
}

/** `Sat 21 Nov` above `14:05`, for the narrow column of a list. */
export function ShortTime({ net }: { net: Date }) {
  return (
    <time datetime={net.toISOString()} title={utcText(net)} data-zoned="short">
      <span>{dayText(net, useReader())}</span> <span>{clockText(net)}</span>
    </time>
  )
}

/** `2026-11-21 14:05 UTC` */
export function utcText(net: Date): string {
  return `${net.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

/** `in 3 days`. The page's script updates it. */
export function RelativeTime({ at, now }: { at: Date; now: Date }) {
  return (
    <span class="away" data-away={at.toISOString()}>
      {relativeText(at, now, useReader())}
    </span>
  )
}

export interface PictureProps {
  launch: Pick<BoardLaunch, 'launch_id' | 'image_url' | 'thumbnail_url'>
  /** True: the large picture at the top of a page, loaded at once in full size. */
  hero?: boolean
}

/**
 * The picture. If there is no picture, or it fails to load, the drawing behind it is visible. Only https, because the
 * page's Content-Security-Policy refuses other addresses. The picture has an empty alt text, because the text beside it
 * says everything.
 */
export function Picture({ launch, hero = false }: PictureProps) {
  const src = pictureOf(hero ? launch.image_url : (launch.thumbnail_url ?? launch.image_url))
  return (
    <div class={`picture sky-${skyOf(launch.launch_id)}`}>
      <svg class="drawn" viewBox="0 0 320 180" preserveAspectRatio="xMidYMax slice" aria-hidden="true">
        <use href="#drawn-rocket" />
      </svg>
      {src && (
        <img
          src={src}
          alt=""
          width={hero ? 1280 : 320}
          height={hero ? 720 : 180}
          loading={hero ? 'eager' : 'lazy'}
          decoding="async"
          referrerpolicy="no-referrer"
        />
      )}
    </div>
  )
}

export function pictureOf(address: string | null): string | undefined {
  const src = safeHref(address)
  return src?.startsWith('https:') && src.length <= 2_000 ? src : undefined
}

/** Chooses one of four skies. A launch always gets the same sky. */
function skyOf(launchId: string): number {
  return [...launchId].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 997, 7) % 4
}

/** The drawing that `<Picture>` refers to. A page contains it once. Stars, a moon, hills, and a rocket on its pad. */
export function DrawnRocket() {
  return (
    <svg class="sprite" aria-hidden="true">
      <symbol id="drawn-rocket" viewBox="0 0 320 180" preserveAspectRatio="xMidYMid slice">
        <rect class="d-sky" width="320" height="180" />
        <circle class="d-moon" cx="246" cy="46" r="17" />
        <path class="d-stars" d={STARS} />
        <path class="d-far" d="M0 138c42-22 76-20 118-6s86 8 122-8 56-12 80-4v60H0z" />
        <path class="d-near" d="M0 158c60-14 108-4 160-2s110-14 160-6v30H0z" />
        <path class="d-tower" d="M182 74h5v84h-5zM170 92h14v3h-14zM170 120h14v3h-14z" />
        <path class="d-hull" d="M160 44c8 9 11 20 11 32v66l7 14h-36l7-14V76c0-12 3-23 11-32z" />
        <path class="d-window" d="M160 72a5 5 0 1 0 .01 0zM149 112h22v4h-22z" />
      </symbol>
    </svg>
  )
}

const STARS = [
  ...['M28 30h2v2h-2z', 'M64 62h2v2h-2z', 'M92 22h2v2h-2z', 'M118 78h1.5v1.5h-1.5z', 'M46 96h1.5v1.5h-1.5z'],
  ...['M206 24h1.5v1.5h-1.5z', 'M212 88h2v2h-2z', 'M286 78h2v2h-2z', 'M298 22h2v2h-2z', 'M270 104h1.5v1.5h-1.5z'],
].join('')

/**
 * The buttons of a launch: the webcast, and a page about the launch. This is `own` (the page on this board) if it is
 * set, else a page on another site.
 */
export function Links({ launch, own }: { launch: BoardLaunch; own: string | undefined }) {
  const watch = safeHref(launch.webcast_url)
  const page = own ? undefined : safeHref(detailsUrl(launch))
  const { board } = useReader()
  if (watch === undefined && page === undefined && own === undefined) return null
  return (
    <p class="actions">
      {watch && (
        <a class="button main" href={watch} rel="noreferrer noopener" target="_blank">
          <svg class="icon" width="14" height="14" viewBox="0 0 16 16" aria-hidden="true">
            <path d="M5 3l8 5-8 5z" />
          </svg>
          {watchText(launch, board)}
        </a>
      )}
      {own && (
        <a class="button" href={own}>
          {board.details}
        </a>
      )}
      {page && (
        <a class="button" href={page} rel="noreferrer noopener" target="_blank">
          {board.moreAt(brief(new URL(page).host.replace(/^www\./, ''), 40))}
        </a>
      )}
    </p>
  )
}

function watchText({ webcast_live, status_id }: BoardLaunch, board: Reader['board']): string {
  if (webcast_live) return board.watchLive
  return isFlown(status_id) ? board.recording : board.watch
}

export function launchPath(base: string, launchId: string): string {
  return `${base}/launches/${encodeURIComponent(launchId)}`
}
