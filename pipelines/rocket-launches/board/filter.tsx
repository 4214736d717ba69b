/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { Home } from './home.tsx'
import type { LaunchFilter } from './query.ts'
import { useReader } from './reader.ts'
import { brief } from './words.ts'

/** The search form, and the number of launches that it finds. */
export function Filter({ home: { filter, providers, base, total } }: { home: Home }) {
  const { search } = useReader().board
  const known = providers.some(({ provider }) => provider === filter.provider)
  return (
    <search>
      <form class="bar-form" method="get" action={`${base}/`} id="filter">
        {filter.past && <input type="hidden" name="show" value="past" />}
        <label class="hidden" for="q">
          {search.label}
        </label>
        <input type="search" id="q" name="q" value={filter.search} placeholder={search.hint} maxlength={200} />
        <label class="hidden" for="provider">
          {search.provider}
        </label>
        <select id="provider" name="provider" data-submit>
          <option value="">{search.every}</option>
          {!known && filter.provider !== '' && (
            <option value={filter.provider} selected>
              {brief(filter.provider, 60)}
            </option>
          )}
          {providers.map(({ provider, launches }) => (
            <option value={provider} selected={provider === filter.provider}>
              {brief(provider, 60)} ({launches})
            </option>
          ))}
        </select>
        <button type="submit">{search.submit}</button>
        {(filter.search !== '' || filter.provider !== '') && (
          <a href={filter.past ? `${base}/?show=past` : `${base}/`}>{search.clear}</a>
        )}
        <span class="muted" id="part-count" data-part>
          {search.count(total)}
        </span>
      </form>
    </search>
  )
}

/** The query of an address: `?q=falcon&page=2`. */
export function queryOf({ past, search, provider }: LaunchFilter, page: number): string {
  const query = new URLSearchParams({
    ...(past && { show: 'past' }),
    ...(search !== '' && { q: search }),
    ...(provider !== '' && { provider }),
    ...(page > 1 && { page: String(page) }),
  })
  return query.size === 0 ? '' : `?${query}`
}
