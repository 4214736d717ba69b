/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { OutLink } from 'tminus/web'
import { isFlown } from '../../launches/launch.ts'
import { placeText } from '../../launches/launch-facts.ts'
import { STATUSES } from './address.ts'
import { Countdown, LaunchTime, Links, launchPath, Picture, StatusMark } from './parts.tsx'
import type { BoardLaunch } from './query.ts'
import { useReader } from './reader.ts'
import { brief, isTimed, nameParts } from './words.ts'

export interface HeroProps {
  launch: BoardLaunch
  now: Date
  base: string
  /** A label such as "Next launch"; the name is then a link. On the page of the launch itself, there is no label. */
  lead?: string | undefined
}

/** The large view of a launch: picture, name, status, countdown, facts and links. */
export function Hero({ launch, now, base, lead }: HeroProps) {
  const { board } = useReader()
  return (
    <section class="hero" aria-labelledby="hero-name">
      <div class="hero-text">
        <p class="hero-lead">
          {lead && <span>{lead}</span>}
          <StatusMark launch={launch} />
          {launch.webcast_live && <span class="state launch-live">{board.live}</span>}
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

/** The rocket, and the mission in large letters. */
function Name({ launch }: { launch: BoardLaunch }) {
  const [rocket, mission] = nameParts(launch.name, 200)
  if (rocket === '') return <Unbroken text={mission} />
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

/** Keeps a short word such as `CRS-2` on one line. */
export function Unbroken({ text }: { text: string }) {
  return (
    <>
      {text
        .split(/(\S+)/)
        .map((word) => (/^[^-]{1,12}-\S{1,12}$/.test(word) ? <span class="nobreak">{word}</span> : word))}
    </>
  )
}

/** The countdown and the time. The clock of a launch on hold stands still; a launch that has flown has no countdown. */
function Timing({ launch, now }: { launch: BoardLaunch; now: Date }) {
  const sinceMs = now.getTime() - launch.net.getTime()
  const runs = launch.status_id !== STATUSES.hold && !launch.vanished_at && !isOver(launch, sinceMs)
  const countsDown = runs && isTimed(launch) && sinceMs < COUNT_UP_MS
  return (
    <div class="timing">
      {countsDown && <Countdown launch={launch} now={now} />}
      <p class={countsDown ? 'when' : 'when large'}>
        <LaunchTime launch={launch} />
      </p>
    </div>
  )
}

/** How long the countdown counts up after T-0. */
const COUNT_UP_MS = 3 * 3_600_000

function isOver({ status_id }: BoardLaunch, sinceMs: number): boolean {
  return isFlown(status_id) && status_id !== 6 && sinceMs > 0
}

function Reason({ launch }: { launch: BoardLaunch }) {
  const reason = brief(launch.hold_reason || launch.fail_reason, 300)
  const { board } = useReader()
  const gone = launch.vanished_at !== null && !isFlown(launch.status_id)
  return (
    <>
      {reason && <p class="notice bad-news">{reason}</p>}
      {gone && <p class="notice">{board.gone}</p>}
    </>
  )
}

function HeroFacts({ launch }: { launch: BoardLaunch }) {
  const { board } = useReader()
  const { facts: names } = board
  const facts = [
    [names.provider, brief(launch.provider)],
    [names.rocket, brief(launch.rocket)],
    [names.pad, brief(placeText(launch))],
    [names.mission, brief(missionOf(launch))],
    [names.orbit, brief(launch.orbit)],
    [names.weather, launch.probability === null ? '' : board.good(launch.probability)],
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

/** Mission name and type. Omits the name if the launch's name above contains it. */
function missionOf({ name, mission_name, mission_type }: BoardLaunch): string {
  const own = mission_name && !name.includes(mission_name) ? mission_name : null
  return [own, mission_type].filter(Boolean).join(' · ') || (mission_name ?? '')
}

function Credit({ launch }: { launch: BoardLaunch }) {
  const { board } = useReader()
  if (!launch.image_url) return null
  const credit = brief(launch.image_credit, 80)
  return (
    <figcaption>
      <OutLink href={launch.image_url}>{credit ? board.picture(credit) : board.pictureFrom}</OutLink>
    </figcaption>
  )
}
