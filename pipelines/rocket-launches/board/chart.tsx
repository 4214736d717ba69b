/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Scroll } from 'tminus/web'
import { isPrecise } from '../../launches/launch.ts'
import { moveText } from '../../launches/launch-text.ts'
import { coarseTime, timeText } from '../../launches/time.ts'
import { EN } from '../../launches/words/en.ts'
import type { Chart, ChartStep } from './slips.ts'

/**
 * A chart of how T-0 moved. The x axis shows the time of the announcement. The y axis shows the announced T-0. A line
 * is a time, and a band is a period.
 */
export function SlipChart({ chart }: { chart: Chart }) {
  const { width, height, steps, xs, ys } = chart
  return (
    <figure class="slips">
      <Scroll name="Chart of the launch date's changes">
        <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-labelledby="slips-summary">
          <title id="slips-summary">{summaryOf(steps)}</title>
          {ys.map(({ at, y }) => (
            <g>
              <line class="grid-line" x1={14} x2={width - 64} y1={y} y2={y} />
              <text class="axis-text" x={width - 56} y={y + 4}>
                {tickText(at, ys)}
              </text>
            </g>
          ))}
          {xs.map(({ at, x }) => (
            <text class="axis-text" x={x} y={height - 8} text-anchor="middle">
              {tickText(at, xs)}
            </text>
          ))}
          <path class="path" d={pathOf(steps)} />
          {steps.map((step) => (
            <Step step={step} />
          ))}
        </svg>
      </Scroll>
      <figcaption>
        {summaryOf(steps)}{' '}
        <span class="key">
          <span class="key-later">▲</span> later
        </span>{' '}
        <span class="key">
          <span class="key-earlier">▼</span> earlier
        </span>{' '}
        <span class="key">
          <span class="key-band">▮</span> only the period is known
        </span>
      </figcaption>
    </figure>
  )
}

function Step({ step }: { step: ChartStep }) {
  const { x, y, height, width, move } = step
  return (
    <g class={`held ${move}`}>
      <title>{stepText(step)}</title>
      {height > 0 ? (
        <rect class="band" x={x} y={y} width={Math.max(width, 1.5)} height={Math.max(height, 2)} />
      ) : (
        <line class="line" x1={x} x2={x + width} y1={y} y2={y} />
      )}
      <path class="mark-of" d={MARKS[move](x, y)} />
    </g>
  )
}

const MARKS: Readonly<Record<ChartStep['move'], (x: number, y: number) => string>> = {
  later: (x, y) => `M${x - 5} ${y + 4}h10l-5-9z`,
  earlier: (x, y) => `M${x - 5} ${y - 4}h10l-5 9z`,
  first: (x, y) => `M${x - 3.5} ${y}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z`,
  unsigned: (x, y) => `M${x - 3} ${y - 3}h6v6h-6z`,
}

/** Connects the end of each step with the start of the next. */
function pathOf(steps: readonly ChartStep[]): string {
  return steps
    .map(({ x, y, width }, index) => `${index === 0 ? 'M' : 'L'}${x} ${y}H${Math.round((x + width) * 10) / 10}`)
    .join('')
}

function stepText({ from, net, precision }: ChartStep): string {
  return `From ${timeText(from, EN)}: ${isPrecise(precision) ? timeText(net, EN) : coarseTime(net, precision, EN)}`
}

function summaryOf(steps: readonly ChartStep[]): string {
  const later = steps.filter(({ move }) => move === 'later').length
  const earlier = steps.filter(({ move }) => move === 'earlier').length
  const times = (count: number, word: string) => `${word} ${['once', 'twice'][count - 1] ?? `${count} times`}`
  const moved = [...(later > 0 ? [times(later, 'later')] : []), ...(earlier > 0 ? [times(earlier, 'earlier')] : [])]
  const timed = steps.filter(({ precision }) => isPrecise(precision))
  const [first, last] = [timed[0], timed.at(-1)]
  const whole = first && last && first !== last ? `; ${moveText(first.net, last.net)} than its first exact time` : ''
  return moved.length === 0 ? 'The date became more exact and has not moved.' : `Moved ${moved.join(', ')}${whole}.`
}

const DAY_MS = 86_400_000
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** The label of a tick in UTC: a clock time when ticks are hours apart, with a year when they are months apart. */
function tickText(at: Date, ticks: readonly { at: Date }[]): string {
  const apart = (ticks[1]?.at.getTime() ?? 0) - (ticks[0]?.at.getTime() ?? 0)
  const month = MONTHS[at.getUTCMonth()]
  if (apart >= 91 * DAY_MS) return `${month} ${at.getUTCFullYear()}`
  const clock = at.toISOString().slice(11, 16)
  return apart > 0 && apart < DAY_MS && clock !== '00:00' ? clock : `${at.getUTCDate()} ${month}`
}
