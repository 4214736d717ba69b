/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { Child } from 'tminus/web'
import type { BoosterFlight, Landing } from '../../launches/boosters.ts'
import type { FlightRecord, LaunchStory } from '../../launches/launch-story.ts'
import { dateText } from '../../launches/time.ts'
import type { PageWords } from '../../launches/words/page-en.ts'
import { launchPath } from './parts.tsx'
import type { BoardLaunch } from './query.ts'
import { useReader } from './reader.ts'
import { brief } from './words.ts'

interface RocketProps {
  launch: BoardLaunch
  story: LaunchStory
  words: PageWords
  base: string
}

/** The rocket and its provider with their records, the boosters with their landings, spacecraft and crew. */
export function RocketSection({ launch, story, words, base }: RocketProps) {
  const { rocket, provider, boosters, spacecraft, crew } = story
  const facts = rocketFacts(story, words)
  const isEmpty = [boosters, spacecraft, crew, facts].every(({ length }) => length === 0)
  if (isEmpty && rocket.record === null && provider.record === null) return null
  return (
    <section aria-labelledby="rocket">
      <h2 id="rocket">{words.rocket}</h2>
      <ul class="things">
        {(rocket.record || facts.length > 0) && (
          <Thing name={brief(launch.rocket) || words.rocket} facts={facts}>
            <Record record={rocket.record} text={words.record} words={words} />
          </Thing>
        )}
        {provider.record && (
          <Thing name={brief(launch.provider ?? provider.name)} facts={[]}>
            <Record record={provider.record} text={words.record} words={words} />
            {provider.landings && <Record record={provider.landings} text={words.landings} words={words} />}
          </Thing>
        )}
        {boosters.map((booster) => (
          <Booster booster={booster} words={words} base={base} />
        ))}
        {spacecraft.map(({ name, destination }) => (
          <Thing
            name={brief(name, 80)}
            facts={[words.spacecraft, ...(destination ? [words.to(brief(destination, 80))] : [])]}
          />
        ))}
      </ul>
      {crew.length > 0 && (
        <>
          <h3>{words.crew}</h3>
          <ul class="crew">
            {crew.map(({ name, role, agency }) => (
              <li>
                {brief(name, 80)} <span class="sub">{brief([role, agency].filter(Boolean).join(', '), 80)}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  )
}

function Thing({ name, facts, children }: { name: string; facts: readonly string[]; children?: Child }) {
  return (
    <li class="thing">
      <strong>{name}</strong>
      {children}
      {facts.length > 0 && <span class="sub">{facts.join(' · ')}</span>}
    </li>
  )
}

function rocketFacts(
  { rocket: { record, length, leoCapacity, maidenFlight } }: LaunchStory,
  words: PageWords,
): string[] {
  const { words: texts } = useReader()
  const date = /^\d{4}-\d\d-\d\d$/.test(maidenFlight ?? '') ? new Date(maidenFlight ?? '') : undefined
  return [
    ...(record === null && leoCapacity !== null ? [words.firstFlight] : []),
    ...(length === null ? [] : [words.height(Math.round(length * 10) / 10)]),
    ...(leoCapacity === null ? [] : [words.lifts(Math.round(leoCapacity / 100) / 10)]),
    ...(record !== null && date !== undefined ? [words.firstFlown(dateText(date, texts))] : []),
  ]
}

interface RecordProps {
  record: FlightRecord | null
  text: (successes: number, flights: number) => string
  words: PageWords
}

/** `624 of 625 successful · 327 in a row`, with a bar. */
function Record({ record, text, words }: RecordProps) {
  if (record === null) return null
  const { successes, flights, inARow } = record
  return (
    <span class="record">
      <svg class="share" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="share-failed" width="100" height="6" />
        <rect class="share-flown" width={Math.round((1000 * successes) / flights) / 10} height="6" />
      </svg>
      <span>
        {text(successes, flights)}
        {inARow !== null && inARow > 1 && inARow < flights && <span class="muted"> · {words.inARow(inARow)}</span>}
      </span>
    </span>
  )
}

/** `B1100 · 9th flight, landed on OCISLY`. The flight before links to its page. */
function Booster({ booster, words, base }: { booster: BoosterFlight; words: PageWords; base: string }) {
  const { serial, flight, turnaroundMs, previous, landing } = booster
  const text = [
    flight === null ? '' : words.booster.flight(flight),
    landing === null ? '' : landingText(landing, words),
  ]
  const facts = [
    ...(landing?.downrangeKm && landing.downrangeKm >= 1
      ? [words.booster.downrange(Math.round(landing.downrangeKm))]
      : []),
    ...(turnaroundMs ? [words.booster.turnaround(Math.round(turnaroundMs / 86_400_000))] : []),
  ]
  return (
    <li class="thing">
      <strong>{brief(serial ?? words.booster.unknown, 40)}</strong>
      <span class={`landing ${landing?.outcome ?? 'unknown'}`}>{text.filter(Boolean).join(', ')}</span>
      {(facts.length > 0 || previous) && (
        <span class="sub">
          {facts.join(' · ')}
          {previous?.name && (
            <>
              {facts.length > 0 && ' · '}
              <a href={launchPath(base, previous.id)}>{brief(previous.name, 80)}</a>
            </>
          )}
        </span>
      )}
    </li>
  )
}

function landingText({ outcome, name, abbrev, way }: Landing, words: PageWords): string {
  const place = abbrev ?? name ?? way
  if (place === null || outcome === 'none') return words.booster.landingAt[outcome]
  return words.booster.landing[outcome](brief(place, 80))
}
