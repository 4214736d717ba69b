import type { Queryable } from 'tminus/db'
import { launchOrder } from '../../launches/upcoming.ts'
import { type LaunchFilter, MOST_PLACES } from './address.ts'
import { type BoardLaunch, conditionOf, valuesOf } from './query.ts'

/** A location of Launch Library with its launches. */
export interface Place {
  /** Null: unknown. */
  location: string | null
  launches: number
  /** The pad of its first launch that has coordinates, in degrees: x is the longitude, y the latitude. */
  at: { x: number; y: number } | null
  /** Its first launch in the order of the list. */
  first: Pick<BoardLaunch, 'launch_id' | 'name' | 'net' | 'net_precision'>
}

/** The places of the matching launches, those with the most launches first, and the count of all these launches. */
export async function readPlaces(
  db: Queryable,
  filter: LaunchFilter,
  now: Date,
): Promise<{ places: Place[]; total: number }> {
  const ordered = `order by ${launchOrder(filter)}`
  const first = (column: string) => `(array_agg(${column} ${ordered}))[1]`
  const { rows } = await db.query<Omit<Place, 'first'> & Place['first'] & { total: number }>(
    `select location, count(*)::int as launches, (sum(count(*)) over ())::int as total,
       (array_agg(point(longitude, latitude) ${ordered})
        filter (where latitude is not null and longitude is not null))[1] as at,
       ${['launch_id', 'name', 'net', 'net_precision'].map((column) => `${first(column)} as ${column}`)}
     from rocket_launches where ${conditionOf(filter)}
     group by location order by launches desc, location limit ${MOST_PLACES}`,
    valuesOf(filter, { now }),
  )
  const places = rows.map(({ location, launches, at, total: _, ...first }) => ({ location, launches, at, first }))
  return { places, total: rows[0]?.total ?? 0 }
}
