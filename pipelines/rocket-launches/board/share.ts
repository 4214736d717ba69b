import type { Share } from 'tminus/web'
import { placeText } from '../../launches/launch-facts.ts'
import { statusText } from '../../launches/launch-text.ts'
import { timeText } from '../../launches/time.ts'
import { launchPath, pictureOf } from './parts.tsx'
import type { BoardLaunch } from './query.ts'
import type { Reader } from './reader.ts'
import { brief, isTimed, periodText } from './words.ts'

/** The text of a link preview: `12 December 2026, 14:05 UTC, to the minute · Go for launch · SpaceX · …`. */
export function descriptionOf(launch: BoardLaunch, reader: Reader): string {
  const { provider, rocket } = launch
  const facts = [whenOf(launch, reader), statusText(launch, reader.words), provider, rocket, placeText(launch)]
  return brief(facts.filter(Boolean).join(' · '), 200)
}

/** T-0 with its precision, in UTC, because a link preview cannot know the reader's zone. */
function whenOf(launch: BoardLaunch, reader: Reader): string {
  if (!isTimed(launch)) return periodText(launch, reader)
  return `${timeText(launch.net, reader.words)}, ${reader.board.head.exact[launch.net_precision ?? 1]}`
}

export function shareOf(launch: BoardLaunch | undefined, base: string, { board }: Reader, path?: string): Share {
  const own = path ?? (launch ? launchPath(base, launch.launch_id) : `${base}/`)
  const src = pictureOf(launch?.image_url ?? null)
  if (launch === undefined || src === undefined) return { path: own }
  const credit = brief(launch.image_credit, 80)
  const alt = `${brief(launch.rocket ?? launch.name, 100)}${credit && board.head.picture(credit)}`
  return { path: own, image: { src, alt } }
}
