/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Scroll } from 'tminus/web'
import { isPrecise } from '../../launches/launch.ts'
import { coarseTime, timeText } from '../../launches/time.ts'
import { type Reader, useReader } from './reader.ts'
import type { Chart, ChartStep } from './slips.ts'
import { dateText, shortMonthText } from './words.ts'

/**
 * A chart of how T-0 moved. The x axis shows the time of the announcement. The y axis shows the announced T-0. A line
 * is a time, and a band is a period.
 */
export function SlipChart({ chart }: { chart: Chart }) {
  const { width, height, steps, xs, ys } = chart
  const reader = useReader()
  const { moves } = reader.board
  return (
    <figure class="slips">
      <Scroll name={moves.chart}>
        <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-labelledby="slips-summary">
          <title id="slips-summary">{summaryOf(steps, reader)}</title>
          {ys.map(({ at, y }) => (
            <g>
              <line class="grid-line" x1={14} x2={width - 64} y1={y} y2={y} />
              <text class="axis-text" x={width - 56} y={y + 4}>
                {tickText(at, ys, reader)}
              </text>
            </g>
          ))}
          {xs.map(({ at, x }) => (
            <text class="axis-text" x={x} y={height - 8} text-anchor="middle">
              {tickText(at, xs, reader)}
            </text>
          ))}
          <path class="path" d={pathOf(steps)} />
          {steps.map((step) => (
            <Step step={step} />
          ))}
        </svg>
      </Scroll>
      <figcaption>
        {summaryOf(steps, reader)}{' '}
        <span class="key">
          <span class="key-later">▲</span> {moves.later}
        </span>{' '}
        <span class="key">
          <span class="key-earlier">▼</span> {moves.earlier}
        </span>{' '}
        <span class="key">
          <span class="key-band">▮</span> {moves.period}
        </span>
      </figcaption>
    </figure>
  )
}

function Step({ step }: { step: ChartStep }) {
  const { x, y, height, width, move } = step
  return (
    <g class={`held ${move}`}>
      <title>{stepText(step, useReader())}</title>
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

function stepText({ from, net, precision }: ChartStep, { words, board }: Reader): string {
  const when = isPrecise(precision) ? timeText(net, words) : coarseTime(net, precision, words)
  return board.moves.step(timeText(from, words), when)
}

function summaryOf(steps: readonly ChartStep[], { board: { moves } }: Reader): string {
  const later = steps.filter(({ move }) => move === 'later').length
  const earlier = steps.filter(({ move }) => move === 'earlier').length
  const timed = steps.filter(({ precision }) => isPrecise(precision))
  const [first, last] = [timed[0], timed.at(-1)]
  const whole = first && last && first !== last ? last.net.getTime() - first.net.getTime() : undefined
  return later + earlier === 0 ? moves.exact : moves.moved(later, earlier, whole)
}

const DAY_MS = 86_400_000

/** The label of a tick in UTC: a clock time when ticks are hours apart, with a year when they are months apart. */
function tickText(at: Date, ticks: readonly { at: Date }[], reader: Reader): string {
  const apart = (ticks[1]?.at.getTime() ?? 0) - (ticks[0]?.at.getTime() ?? 0)
  if (apart >= 91 * DAY_MS) return shortMonthText(at, reader, true)
  const clock = at.toISOString().slice(11, 16)
  return apart > 0 && apart < DAY_MS && clock !== '00:00' ? clock : dateText(at, reader)
}
