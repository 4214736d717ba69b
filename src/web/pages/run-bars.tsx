/** @jsxRuntime automatic @jsxImportSource hono/jsx */

import { raw } from 'hono/html'
import { preciseDuration } from '../../duration.ts'
import { durationOf, stateWords } from '../parts.tsx'
import type { DagRow } from '../queries/dags.ts'

const WIDTH = 7
const HEIGHT = 28

/** The newest runs as bars, the newest on the right. The height is the duration; each bar links to its run. */
export function RunBars({ runs }: { runs: DagRow['runs'] }) {
  if (runs.length === 0) return <span class="hidden">no runs yet</span>
  const took = runs.map(({ started_at, ended_at }) => durationOf(started_at, ended_at) ?? 0)
  const longest = Math.max(...took, 1)
  const shown = runs.map((run, index) => ({ ...run, ms: took[index] ?? 0 })).reverse()
  const bar = ({ id, state, ms }: (typeof shown)[number], index: number) => {
    const height = Math.max(5, Math.round((ms / longest) * HEIGHT))
    const x = (25 - shown.length + index) * (WIDTH + 2)
    return svgBar(`/runs/${id}`, state, [x, HEIGHT + 1 - height, WIDTH, height], ms)
  }
  return (
    <>
      <svg
        class="runs"
        viewBox={`0 0 ${25 * (WIDTH + 2)} ${HEIGHT + 2}`}
        width={25 * (WIDTH + 2)}
        height={HEIGHT + 2}
        aria-hidden="true"
      >
        <path class="base" d={`M0 ${HEIGHT + 1.5}h${25 * (WIDTH + 2)}`} />
        {raw(shown.map(bar).join(''))}
      </svg>
      <span class="hidden">{summary(runs)}</span>
    </>
  )
}

/** Builds a bar as text, because a page has hundreds of bars. Numbers, states and encoded paths need no escaping. */
export function svgBar(href: string, state: string, [x, y, width, height]: readonly number[], ms: number): string {
  const box = `x="${x}" y="${y}" width="${width}" height="${height}"`
  return `<a href="${href}" tabindex="-1"><rect class="${state}" ${box}><title>${stateWords(state)} · ${preciseDuration(ms)}</title></rect></a>`
}

function summary(runs: DagRow['runs']): string {
  const count = new Map<string, number>()
  for (const { state } of runs) count.set(state, (count.get(state) ?? 0) + 1)
  const latest = runs.length === 1 ? 'The latest run' : `The latest ${runs.length} runs`
  return `${latest}: ${[...count].map(([state, many]) => `${many} ${state}`).join(', ')}`
}
