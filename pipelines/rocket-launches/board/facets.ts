import type { Queryable } from 'tminus/db'
import { type LaunchFilter, LONGEST_VALUE, STATUSES } from './address.ts'
import { CONDITIONS, COUNTRY, isListed, valuesOf } from './query.ts'

export type FacetName = 'provider' | 'rocket' | 'country' | 'orbit' | 'status'

/** The values that a list can be filtered by, the most frequent first, with the launches that each would leave. */
export type Facets = Readonly<Record<FacetName, readonly { value: string; launches: number }[]>>

export const NO_FACETS: Facets = { provider: [], rocket: [], country: [], orbit: [], status: [] }

/** The most values of one kind. */
const MOST = 14

const VALUES = {
  provider: 'provider',
  rocket: 'rocket',
  country: COUNTRY,
  orbit: 'orbit',
  status: 'status_id::text',
} as const
const NAMES = Object.keys(VALUES) as FacetName[]

/** Each kind counts the launches that match all filters of the other kinds. So another value of a kind can be chosen. */
export async function readFacets(db: Queryable, filter: LaunchFilter, now: Date): Promise<Facets> {
  const columns = NAMES.map((name) => `${VALUES[name]} as ${name}, ${CONDITIONS[name]} as ${name}_matches`)
  const counts = NAMES.map((name) => {
    const others = NAMES.filter((other) => other !== name).map((other) => `${other}_matches`)
    return `(select '${name}' as name, ${name} as value, count(*)::int as launches from listed
      where ${name} <> '' and length(${name}) <= ${LONGEST_VALUE} and ${others.join(' and ')} group by ${name} order by launches desc, value limit ${MOST})`
  })
  const { rows } = await db.query<{ name: FacetName; value: string; launches: number }>(
    `with listed as materialized (
       select ${columns.join(', ')} from rocket_launches where ${isListed(filter)} and ${CONDITIONS.exact} and ${CONDITIONS.location}
     ) ${counts.join(' union all ')}`,
    valuesOf(filter, { now }),
  )
  const of = (name: FacetName) => rows.filter((row) => row.name === name)
  return {
    ...NO_FACETS,
    provider: of('provider'),
    rocket: of('rocket'),
    country: of('country'),
    orbit: of('orbit'),
    status: statuses(of('status')),
  }
}

/** Status ids as their names in addresses. Unknown ids have none. */
function statuses(rows: Facets['status']): Facets['status'] {
  const named = new Map(Object.entries(STATUSES).map(([name, id]) => [String(id), name]))
  return rows.flatMap(({ value, launches }) => {
    const name = named.get(value)
    return name === undefined ? [] : [{ value: name, launches }]
  })
}
