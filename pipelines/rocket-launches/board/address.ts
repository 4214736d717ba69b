import type { WebContext } from 'tminus/web'
import { isMonth, monthKey } from './month.ts'
import type { LaunchFilter } from './query.ts'

/** Launch Library's status ids by their names in addresses. */
export const STATUSES: Readonly<Record<string, number>> = {
  go: 1,
  tbd: 2,
  success: 3,
  failure: 4,
  hold: 5,
  'in-flight': 6,
  partial: 7,
  tbc: 8,
  deployed: 9,
}

/** The filter that an address names: `?provider=SpaceX&status=go`. Control characters become spaces: Postgres refuses NUL. */
export function filterOf(c: WebContext): LaunchFilter {
  const text = (name: string) =>
    (c.req.query(name) ?? '')
      .replace(/\p{Cc}/gu, ' ')
      .trim()
      .slice(0, 200)
  const month = monthOf(c)
  return {
    past: month === '' && text('show') === 'past',
    month,
    search: text('q'),
    provider: text('provider'),
    rocket: text('rocket'),
    country: text('country'),
    orbit: text('orbit'),
    status: Object.hasOwn(STATUSES, text('status')) ? text('status') : '',
    exact: text('time') === 'exact',
  }
}

/** The month that an address names, else the present month. Empty without the parameter. */
function monthOf(c: WebContext): string {
  const month = c.req.query('month')
  if (month === undefined) return ''
  return isMonth(month) ? month : monthKey(c.var.board.now())
}

/** The parameters of an address that name a filter. */
export function paramsOf(filter: LaunchFilter): [string, string][] {
  const { past, month, search, exact, provider, rocket, country, orbit, status } = filter
  const params = Object.entries({
    show: past ? 'past' : '',
    month,
    q: search,
    provider,
    rocket,
    country,
    orbit,
    status,
    time: exact ? 'exact' : '',
  })
  return params.filter(([, value]) => value !== '')
}

/** The query of an address: `?q=falcon&page=2`. */
export function queryOf(filter: LaunchFilter, page: number): string {
  const query = new URLSearchParams(paramsOf(filter))
  if (page > 1) query.set('page', String(page))
  return query.size === 0 ? '' : `?${query}`
}

/** The whole list or month of a filter. */
export function unfiltered({ past, month }: LaunchFilter): LaunchFilter {
  return { past, month, search: '', exact: false, provider: '', rocket: '', country: '', orbit: '', status: '' }
}

/** True if the filter leaves out launches of its list or month. */
export function isNarrow(filter: LaunchFilter): boolean {
  return paramsOf({ ...filter, past: false, month: '' }).length > 0
}
