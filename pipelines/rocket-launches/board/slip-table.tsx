/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { commandFor } from 'tminus'
import { Empty, Table } from 'tminus/web'
import type { ProviderSlips } from './figures-query.ts'
import { LaunchesOf } from './launches-of.tsx'
import { useReader } from './reader.ts'

const DELAYS = [
  ['median', 'median_ms'],
  ['longest', 'longest_ms'],
] as const

/** How often and how far the launches of each provider slipped. */
export function SlipTable({ slips, base }: { slips: readonly ProviderSlips[]; base: string }) {
  const { figures } = useReader()
  const words = figures.slips
  if (slips.length === 0)
    return (
      <Empty title={figures.noSlips}>
        {figures.noSlipsAbout} <code>{commandFor('start')}</code>
      </Empty>
    )
  const columns = [
    figures.providers.name,
    words.bar,
    { number: words.slipped },
    { number: words.often },
    { number: words.median },
    { number: words.longest },
  ]
  return (
    <Table name={words.title} columns={columns}>
      {slips.map((one) => (
        <tr>
          <th scope="row">
            <LaunchesOf base={base} by="provider" value={one.provider} />
          </th>
          <td class="bar-cell">
            <svg class="share-bar" width="100%" height="12" aria-hidden="true">
              <rect class="of-slipped" width={`${((one.slipped / one.launches) * 100).toFixed(2)}%`} height="12" />
            </svg>
          </td>
          <td class="right number fold-end">
            {one.slipped} / {one.launches}
          </td>
          <td class="right number" data-label={words.often}>
            {(one.slips / one.launches).toFixed(2)}
          </td>
          {DELAYS.map(([label, ms]) => (
            <td class={one[ms] === null ? 'right number zero' : 'right number'} data-label={words[label]}>
              {one[ms] === null ? '–' : words.delay(one[ms])}
            </td>
          ))}
        </tr>
      ))}
    </Table>
  )
}
