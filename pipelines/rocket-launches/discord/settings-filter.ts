import type { Queryable } from 'tminus/db'
import type { KnownLaunch } from '../../launches/launch.ts'
import { countUpcoming, nearestLaunch } from '../../launches/upcoming.ts'
import type { Settings } from '../settings.ts'
import { passes, type Terms } from './filter.ts'

type FilterSettings = Pick<Settings, FilterName>
type FilterName = `DISCORD_FILTER_${'PROVIDERS' | 'LOCATIONS' | 'ORBITS' | 'KEYWORDS'}`

const NAMES: readonly FilterName[] = [
  'DISCORD_FILTER_PROVIDERS',
  'DISCORD_FILTER_LOCATIONS',
  'DISCORD_FILTER_ORBITS',
  'DISCORD_FILTER_KEYWORDS',
]

const ANY: Terms = { include: [], exclude: [] }

/** Returns a function that is true for a launch that passes the filters in the settings; undefined if no filter is set. */
export function filterOf(settings: FilterSettings): ((launch: KnownLaunch) => boolean) | undefined {
  const filter = {
    providers: settings.DISCORD_FILTER_PROVIDERS ?? ANY,
    locations: settings.DISCORD_FILTER_LOCATIONS ?? ANY,
    orbits: settings.DISCORD_FILTER_ORBITS ?? ANY,
    keywords: settings.DISCORD_FILTER_KEYWORDS ?? ANY,
  }
  return filtersSet(settings).length === 0 ? undefined : (launch) => passes(launch, filter)
}

export function filtersSet(settings: FilterSettings): FilterName[] {
  return NAMES.filter((name) => settings[name] !== undefined)
}

/** The message for the case that the filters exclude all upcoming launches; undefined in other cases. */
export async function whyNonePasses(db: Queryable, now: Date, settings: FilterSettings): Promise<string | undefined> {
  const filter = filterOf(settings)
  if (filter === undefined || (await nearestLaunch(db, now, filter)) !== undefined) return undefined
  const count = await countUpcoming(db, now)
  if (count === 0) return undefined
  const launches =
    count === 1 ? 'the only upcoming launch does not pass' : `none of the ${count} upcoming launches passes`
  return `${launches} ${filtersSet(settings).join(' and ')}, so none is announced`
}
