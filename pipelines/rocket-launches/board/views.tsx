/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { queryOf } from './address.ts'
import { monthKey } from './month.ts'
import type { LaunchFilter } from './query.ts'
import { useReader } from './reader.ts'

interface ViewsProps {
  filter: LaunchFilter
  now: Date
  base: string
}

/** The switch between the views of the same launches. */
export function Views({ filter, now, base }: ViewsProps) {
  const { views } = useReader().board
  const month = filter.month || monthKey(now)
  return (
    <nav class="which" aria-label={views.label}>
      <a href={`${base}/${queryOf({ ...filter, month: '' }, 1)}`} aria-current={filter.month ? undefined : 'page'}>
        {views.list}
      </a>
      <a
        href={`${base}/${queryOf({ ...filter, past: false, month }, 1)}`}
        aria-current={filter.month ? 'page' : undefined}
      >
        {views.calendar}
      </a>
    </nav>
  )
}
