/** @jsxRuntime automatic @jsxImportSource hono/jsx */

import { Facts } from 'tminus/web'
import { placeText } from '../../launches/launch-facts.ts'
import type { LaunchStory } from '../../launches/launch-story.ts'
import type { PageWords } from '../../launches/words/page-en.ts'
import { fromLocation, queryOf } from './address.ts'
import { assetOf } from './assets.ts'
import { MAP, nightPath, onMap } from './night.ts'
import type { BoardLaunch } from './query.ts'
import { brief, isTimed } from './words.ts'

interface PadProps {
  launch: BoardLaunch
  story: LaunchStory
  words: PageWords
  now: Date
  base: string
}

/** The pad on a map of the world, with its local time. */
export function PadSection({ launch, story, words, now, base }: PadProps) {
  const { latitude, longitude } = launch
  const place =
    latitude === null || longitude === null ? undefined : { latitude, longitude, at: onMap(latitude, longitude) }
  const name = brief(placeText(launch))
  if (name === '' && place === undefined) return null
  return (
    <section aria-labelledby="pad" class="card">
      <h2 id="pad">{words.pad}</h2>
      {place?.at && <WorldMap launch={launch} words={words} base={base} {...place} {...place.at} />}
      <p>{name}</p>
      {launch.location && (
        <p>
          <a href={`${base}/${queryOf(fromLocation(launch.location), 1)}`}>{words.fromLocation}</a>
        </p>
      )}
      <Facts
        facts={[
          [words.localTime, story.timeZone && isTimed(launch) && localTime(launch.net, story.timeZone, words)],
          [words.thereNow, story.timeZone && localTime(now, story.timeZone, words)],
          [words.coordinates, place && degreesText(place.latitude, place.longitude)],
        ]}
      />
    </section>
  )
}

interface MapProps extends Pick<PadProps, 'launch' | 'words' | 'base'> {
  latitude: number
  longitude: number
  x: number
  y: number
}

function WorldMap({ launch, words, base, latitude, longitude, x, y }: MapProps) {
  const place = degreesText(latitude, longitude)
  const timed = isTimed(launch)
  return (
    <figure class="world">
      <svg
        viewBox={`0 0 ${MAP.width} ${MAP.height}`}
        role="img"
        aria-label={timed ? words.map(place) : words.mapNow(place)}
      >
        <rect class="sea" width={MAP.width} height={MAP.height} />
        <use class="land" href={`${base}/world.svg?v=${assetOf('world.svg').hash}#land`} />
        {timed && <path class="night" d={nightPath(launch.net)} />}
        <circle class="pad-ring" cx={x} cy={y} r="30" />
        <circle class="pad-dot" cx={x} cy={y} r="10" />
      </svg>
      {timed && <figcaption class="sub">{words.night}</figcaption>}
    </figure>
  )
}

/** `28.6° N, 80.6° W` */
export function degreesText(latitude: number, longitude: number): string {
  const text = (value: number, [positive, negative]: [string, string]) =>
    `${Math.abs(value).toFixed(1)}° ${value < 0 ? negative : positive}`
  return `${text(latitude, ['N', 'S'])}, ${text(longitude, ['E', 'W'])}`
}

/** `Sat 22 Aug, 00:25 GMT-7` */
export function localTime(at: Date, timeZone: string, { language }: Pick<PageWords, 'language'>): string {
  const format = new Intl.DateTimeFormat(language === 'en' ? 'en-GB' : language, {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZone,
    timeZoneName: 'short',
  })
  return format.format(at)
}
