/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { type LaunchFilter, queryOf } from './address.ts'
import { monthKey } from './month.ts'
import { useReader } from './reader.ts'

interface ViewsProps {
  filter: LaunchFilter
  /** True on the map. */
  isMap: boolean
  now: Date
  base: string
}

/** The switch between the views of the same launches. */
export function Views({ filter, isMap, now, base }: ViewsProps) {
  const { views } = useReader().board
  const links = [
    ['list', `/${queryOf({ ...filter, month: '' }, 1)}`, !isMap && filter.month === ''],
    [
      'calendar',
      `/${queryOf({ ...filter, past: false, month: filter.month || monthKey(now) }, 1)}`,
      filter.month !== '',
    ],
    ['map', `/map${queryOf({ ...filter, month: '' }, 1)}`, isMap],
  ] as const
  return (
    <nav class="which" aria-label={views.label}>
      {links.map(([view, path, isCurrent]) => (
        <a href={`${base}${path}`} aria-current={isCurrent ? 'page' : undefined}>
          {views[view]}
        </a>
      ))}
    </nav>
  )
}
