/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { isNarrow, type LaunchFilter, paramsOf, queryOf, STATUSES, unfiltered } from './address.ts'
import type { FacetName, Facets } from './facets.ts'
import { type Reader, useReader } from './reader.ts'
import { brief } from './words.ts'

interface FilterProps {
  filter: LaunchFilter
  facets: Facets
  /** The number of launches that match. */
  total: number
  /** The address of the page, without its query. */
  path: string
}

/** The search form with the number of launches that match, the filters that are on, and all filters. */
export function Filter({ filter, facets, total, path }: FilterProps) {
  const { search } = useReader().board
  return (
    <search class="find">
      <form class="bar-form" method="get" action={path} id="filter">
        {paramsOf({ ...filter, search: '' }).map(([name, value]) => (
          <input type="hidden" name={name} value={value} />
        ))}
        <label class="hidden" for="q">
          {search.label}
        </label>
        <input type="search" id="q" name="q" value={filter.search} placeholder={search.hint} maxlength={200} />
        <button type="submit">{search.submit}</button>
        <span class="muted" id="part-count" data-part>
          {search.count(total)}
        </span>
        {isNarrow(filter) && <a href={`${path}${queryOf(unfiltered(filter), 1)}`}>{search.clear}</a>}
      </form>
      <FiltersOn filter={filter} path={path} />
      <details class="chips">
        <summary>{search.filters}</summary>
        <dl>
          {GROUPS.map((name) => (
            <Group name={name} filter={filter} facets={facets} path={path} />
          ))}
          <div>
            <dt>{search.time}</dt>
            <dd>
              <Chip href={`${path}${queryOf({ ...filter, exact: !filter.exact }, 1)}`} on={filter.exact}>
                {search.exactOnly}
              </Chip>
            </dd>
          </div>
        </dl>
      </details>
    </search>
  )
}

/** Each filter that is on, as a link that turns it off. */
function FiltersOn({ filter, path }: Pick<FilterProps, 'filter' | 'path'>) {
  const { board } = useReader()
  const { search } = board
  const values = GROUPS.filter((name) => filter[name] !== '').map((name) => ({
    text: `${search[name]}: ${valueText(name, filter[name], board)}`,
    without: { ...filter, [name]: '' },
  }))
  const places = filter.locations.map((location) => ({
    text: `${search.location}: ${brief(location, 60)}`,
    without: { ...filter, locations: filter.locations.filter((other) => other !== location) },
  }))
  const exact = filter.exact ? [{ text: search.exactOnly, without: { ...filter, exact: false } }] : []
  const all = [...values, ...places, ...exact]
  if (all.length === 0) return null
  return (
    <p class="filters-on">
      {all.map(({ text, without }) => (
        <a class="chip set" href={`${path}${queryOf(without, 1)}`} aria-label={search.turnOff(text)}>
          {text} <span aria-hidden="true">×</span>
        </a>
      ))}
    </p>
  )
}

const GROUPS = ['provider', 'rocket', 'country', 'orbit', 'status'] as const

/** The values of one kind, each with the number of launches that it leaves. A value that is on turns itself off. */
function Group({ name, filter, facets, path }: { name: FacetName } & Omit<FilterProps, 'total'>) {
  const { board } = useReader()
  const on = filter[name]
  const found = facets[name]
  const values = on === '' || found.some(({ value }) => value === on) ? found : [{ value: on, launches: 0 }, ...found]
  if (values.length === 0) return null
  return (
    <div>
      <dt>{board.search[name]}</dt>
      <dd>
        {values.map(({ value, launches }) => (
          <Chip
            href={`${path}${queryOf({ ...filter, [name]: value === on ? '' : value }, 1)}`}
            on={value === on}
            count={launches}
          >
            {valueText(name, value, board)}
          </Chip>
        ))}
      </dd>
    </div>
  )
}

interface ChipProps {
  href: string
  on: boolean
  count?: number
  children?: string
}

function Chip({ href, on, count, children }: ChipProps) {
  return (
    <a class="chip" href={href} aria-current={on ? 'true' : undefined}>
      {children}
      {on ? <span aria-hidden="true"> ×</span> : count !== undefined && <small> {count}</small>}
    </a>
  )
}

/** The texts of all filters that are on, except the search: `SpaceX, USA`. */
export function filterText(filter: LaunchFilter, board: Reader['board']): string {
  const values = GROUPS.map((name) => filter[name] && valueText(name, filter[name], board))
  return [...values, ...filter.locations.map((location) => brief(location, 60)), filter.exact && board.search.exactOnly]
    .filter(Boolean)
    .join(', ')
}

function valueText(name: FacetName, value: string, board: Reader['board']): string {
  return brief(name === 'status' ? (board.short[STATUSES[value] ?? 0] ?? value) : value, 60)
}
