import { type CommandHost, commandFor, TminusError } from 'tminus'
import type { Queryable } from 'tminus/db'
import type { StoredLaunch } from '../../launches/launch.ts'
import { instantText, longTime, moveText, statusText } from '../../launches/launch-text.ts'
import { findOneLaunch } from '../../launches/one-launch.ts'
import { readChanges, readSlips, type Slips } from '../../launches/read-launches.ts'
import { nearestLaunch } from '../../launches/upcoming.ts'
import { EN } from '../../launches/words/en.ts'
import { silentFilters, unlessWrong } from '../discord/channel.ts'
import type { Settings } from '../settings.ts'
import { printChanges } from './launches-list.ts'

interface Output {
  output: 'table' | 'json'
}

/** `launches next`. */
export async function showNext(db: Queryable, host: CommandHost, { output }: Output): Promise<void> {
  const next = await nearestLaunch(db, host.now())
  if (next === undefined)
    throw new TminusError(`No upcoming launch is stored; ${commandFor('pipeline rocket-launches')} fetches launches`, {
      code: 'no_launches',
      retryable: false,
    })
  const launch = await findOneLaunch(db, host, next.launch_id)
  const { details: _, ...shown } = launch
  if (output === 'json') {
    host.printJson(shown)
    return
  }
  printFacts(host, launch)
  const settings = unlessWrong(() => host.settings() as Settings, undefined)
  const { silent } = settings ? await silentFilters(db, host.now(), settings) : { silent: [] }
  for (const note of silent) host.print(`\nNote: ${note}`)
}

/** `launches show`. */
export async function show(db: Queryable, host: CommandHost, text: string, { output }: Output): Promise<void> {
  const launch = await findOneLaunch(db, host, text)
  const id = launch.launch_id ?? ''
  const found = await readChanges(db, { launchId: id, since: undefined, limit: MAX_CHANGES })
  if (output === 'json') {
    const changes = found.map(({ field, old, new: now, seen_at }) => ({ field, old, new: now, seen_at }))
    host.printJson({ ...launch, changes })
    return
  }
  printFacts(host, launch)
  host.print('')
  printRecord(host, launch, await readSlips(db, id))
  if (found.length > 0) host.print('')
  printChanges(host, found)
}

const MAX_CHANGES = 1_000

function printFacts(host: CommandHost, launch: StoredLaunch): void {
  host.print(launch.name ?? '')
  host.fields([
    ['when', launch.net && longTime(launch.net, launch.net_precision, host.now())],
    ['window', windowText(launch)],
    ['status', [statusText(launch, EN), launch.hold_reason, launch.fail_reason].filter(Boolean).join(': ')],
    ['provider', launch.provider],
    ['rocket', launch.rocket],
    ['pad', [launch.pad, launch.location].filter(Boolean).join(', ')],
    ['mission', [launch.mission_name, launch.mission_type].filter(Boolean).join(', ')],
    ['orbit', launch.orbit],
    ['weather', launch.probability === null ? null : `${launch.probability} % favourable`],
    ['webcast', launch.webcast_url && `${launch.webcast_url}${launch.webcast_live ? ' (live)' : ''}`],
    ['page', launch.info_url],
    ['image', launch.image_url && [launch.image_url, launch.image_credit].filter(Boolean).join(' © ')],
    ['about', launch.mission_description],
  ])
}

/** The launch window. Null if it has no length (`when` shows the instant), or if T-0 is a placeholder. */
function windowText({ window_start, window_end, net_precision }: StoredLaunch): string | null {
  if (window_start === null || window_end === null || (net_precision ?? 7) > 2) return null
  if (window_start.getTime() === window_end.getTime()) return null
  return `${instantText(window_start)} to ${instantText(window_end)}`
}

/** The fields of the row: ids, placeholder, times of changes. */
function printRecord(host: CommandHost, launch: StoredLaunch, slips: Slips | undefined): void {
  host.fields([
    ['id', String(launch.id)],
    ['launch_id', launch.launch_id],
    ['slug', launch.slug],
    ['net', launch.net && `${launch.net.toISOString()}${(launch.net_precision ?? 7) > 2 ? ' (a placeholder)' : ''}`],
    ['place', launch.latitude === null ? null : `${launch.latitude}, ${launch.longitude}`],
    ['last_updated', launch.last_updated && instantText(launch.last_updated)],
    ['first_seen', launch.first_seen_at && instantText(launch.first_seen_at)],
    ['updated', launch.updated_at && instantText(launch.updated_at)],
    ['vanished', launch.vanished_at && `${instantText(launch.vanished_at)}, from the list of upcoming launches`],
    ['slips', slips ? slipsText(slips) : 'none'],
  ])
}

/** `3; 25 h later than at first` */
function slipsText({ slips, first_net, last_net }: Slips): string {
  const same = first_net.getTime() === last_net.getTime()
  return `${slips}; ${moveText(first_net, last_net)} ${same ? 'as' : 'than'} at first`
}
