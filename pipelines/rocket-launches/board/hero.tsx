/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { OutLink } from 'tminus/web'
import { isFlown } from '../../launches/launch.ts'
import { placeText } from '../../launches/launch-facts.ts'
import { Countdown, Links, launchPath, Picture, StatusMark, When } from './parts.tsx'
import type { BoardLaunch } from './query.ts'
import { brief, isTimed } from './words.ts'

export interface HeroProps {
  launch: BoardLaunch
  now: Date
  base: string
  /** What it is shown as: "Next launch". Its name is a link then; without, it is the page of the launch itself. */
  lead?: string | undefined
}

/** A launch large: picture, name, status, countdown, who, what, where, and where to watch. */
export function Hero({ launch, now, base, lead }: HeroProps) {
  return (
    <section class="hero" aria-labelledby="hero-name">
      <div class="hero-text">
        <p class="hero-lead">
          {lead && <span>{lead}</span>}
          <StatusMark launch={launch} />
          {launch.webcast_live && <span class="state launch-live">On the air</span>}
        </p>
        <h1 id="hero-name">
          {lead ? (
            <a href={launchPath(base, launch.launch_id)}>
              <Name launch={launch} />
            </a>
          ) : (
            <Name launch={launch} />
          )}
        </h1>
        <Timing launch={launch} now={now} />
        <Reason launch={launch} />
        <HeroFacts launch={launch} />
        {lead && launch.mission_description && <p class="hero-mission">{brief(launch.mission_description, 240)}</p>}
        <Links launch={launch} own={lead && launchPath(base, launch.launch_id)} />
      </div>
      <figure class="hero-picture">
        <Picture launch={launch} hero />
        <Credit launch={launch} />
      </figure>
    </section>
  )
}

/** Launch Library names a launch `rocket | mission`: the mission is what is set large. */
function Name({ launch }: { launch: BoardLaunch }) {
  const [, rocket, mission] = /^(.+?) \| (.+)$/.exec(brief(launch.name, 200)) ?? []
  if (mission === undefined) return <Unbroken text={brief(launch.name, 200)} />
  return (
    <>
      <span class="name-rocket">
        {rocket}
        <span class="hidden"> | </span>
      </span>
      <Unbroken text={mission} />
    </>
  )
}

/** `CRS-2` stays on one line: a heading breaks between words, at hyphens only where it must. */
function Unbroken({ text }: { text: string }) {
  return (
    <>
      {text
        .split(/(\S+)/)
        .map((word) => (/^[^-]{1,12}-\S{1,12}$/.test(word) ? <span class="nobreak">{word}</span> : word))}
    </>
  )
}

/** A flown launch counts no further: its time is history. */
function Timing({ launch, now }: { launch: BoardLaunch; now: Date }) {
  const sinceMs = now.getTime() - launch.net.getTime()
  const counts = isTimed(launch) && !launch.vanished_at && sinceMs < COUNTED_MS && !isOver(launch, sinceMs)
  return (
    <div class="timing">
      {counts && <Countdown net={launch.net} now={now} />}
      <p class={counts ? 'when' : 'when large'}>
        <When launch={launch} />
      </p>
    </div>
  )
}

const COUNTED_MS = 3 * 3_600_000

function isOver({ status_id }: BoardLaunch, sinceMs: number): boolean {
  return isFlown(status_id) && status_id !== 6 && sinceMs > 0
}

function Reason({ launch }: { launch: BoardLaunch }) {
  const reason = brief(launch.hold_reason || launch.fail_reason, 300)
  const gone = launch.vanished_at !== null && !isFlown(launch.status_id)
  return (
    <>
      {reason && <p class="notice bad-news">{reason}</p>}
      {gone && <p class="notice">No longer listed by Launch Library. About half of such launches come back.</p>}
    </>
  )
}

function HeroFacts({ launch }: { launch: BoardLaunch }) {
  const facts = [
    ['Provider', brief(launch.provider)],
    ['Rocket', brief(launch.rocket)],
    ['Pad', brief(placeText(launch))],
    ['Mission', brief(missionOf(launch))],
    ['Orbit', brief(launch.orbit)],
    ['Weather', launch.probability === null ? '' : `${launch.probability} % good`],
  ] as const
  return (
    <dl class="hero-facts">
      {facts
        .filter(([, value]) => value !== '')
        .map(([name, value]) => (
          <div>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  )
}

/** Its name is mostly that of the launch, which stands above already. */
function missionOf({ name, mission_name, mission_type }: BoardLaunch): string {
  const own = mission_name && !name.includes(mission_name) ? mission_name : null
  return [own, mission_type].filter(Boolean).join(' · ') || (mission_name ?? '')
}

function Credit({ launch }: { launch: BoardLaunch }) {
  if (!launch.image_url) return null
  const credit = brief(launch.image_credit, 80)
  return (
    <figcaption>
      <OutLink href={launch.image_url}>{credit ? `Picture: ${credit}` : 'Picture by way of Launch Library'}</OutLink>
    </figcaption>
  )
}
