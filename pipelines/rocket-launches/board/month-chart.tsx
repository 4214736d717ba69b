/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { Tally } from './figures-query.ts'
import { OUTCOMES } from './outcomes.ts'
import { useReader } from './reader.ts'
import { shortMonthText } from './words.ts'

const PLOT = { top: 18, height: 190, labels: 22 }

/**
 * Launches per month, stacked by outcome. Places on the x axis are percentages, so that text and heights keep their size
 * on every screen.
 */
export function MonthChart({ months }: { months: readonly Tally[] }) {
  const { figures } = useReader()
  const all = months.reduce((sum, { launches }) => sum + launches, 0)
  const most = Math.max(1, ...months.map(({ launches }) => launches))
  const y = (launches: number) => PLOT.top + PLOT.height - (launches / most) * PLOT.height
  return (
    <figure class="figure">
      <svg width="100%" height={PLOT.top + PLOT.height + PLOT.labels} role="img" aria-labelledby="months-summary">
        <title id="months-summary">{figures.months.chart(all)}</title>
        {ticksUpTo(most).map((tick) => (
          <>
            <line class="grid-line" x1="0" x2="100%" y1={y(tick)} y2={y(tick)} />
            <text class="axis-text" x="0" y={y(tick) - 4}>
              {tick}
            </text>
          </>
        ))}
        {months.map((month, index) => (
          <Bar month={month} left={LEFT + (index * WIDTH) / months.length} width={WIDTH / months.length} y={y} />
        ))}
        <Labels months={months} />
      </svg>
      <figcaption>
        {OUTCOMES.filter((outcome) => outcome !== 'open' || months.some(({ open }) => open > 0)).map((outcome) => (
          <span class="legend">
            <svg width="12" height="12" aria-hidden="true">
              <rect class={`of-${outcome}`} width="12" height="12" rx="2" />
            </svg>{' '}
            {figures.outcomes[outcome]}
          </span>
        ))}
      </figcaption>
    </figure>
  )
}

/** The place of the bars in percent: right of the labels of the y axis. */
const LEFT = 6
const WIDTH = 100 - LEFT

function Bar({
  month,
  left,
  width,
  y,
}: {
  month: Tally
  left: number
  width: number
  y: (launches: number) => number
}) {
  let below = 0
  return (
    <g>
      <title>{textOf(month)}</title>
      {OUTCOMES.map((outcome) => {
        const [bottom, top] = [y(below), y(below + month[outcome])]
        below += month[outcome]
        return month[outcome] === 0 ? null : (
          <rect
            class={`of-${outcome}`}
            x={percent(left + width * 0.12)}
            width={percent(width * 0.76)}
            y={round(top)}
            height={round(bottom - top)}
          />
        )
      })}
    </g>
  )
}

function textOf(month: Tally): string {
  const { figures } = useReader()
  const counts = OUTCOMES.filter((outcome) => month[outcome] > 0)
  return `${month.key}: ${counts.map((outcome) => `${figures.outcomes[outcome]} ${month[outcome]}`).join(', ') || 0}`
}

/** Each year below its January; each third month if the chart shows about a year. */
function Labels({ months }: { months: readonly Tally[] }) {
  const reader = useReader()
  return months.map(({ key }, index) => {
    const month = Number(key.slice(5))
    const named = months.length <= 18 ? month % 3 === 1 : month === 1
    if (!named) return null
    return (
      <text class="axis-text" x={percent(LEFT + (index * WIDTH) / months.length)} y={PLOT.top + PLOT.height + 16}>
        {month === 1 ? key.slice(0, 4) : shortMonthText(new Date(`${key}-01`), reader)}
      </text>
    )
  })
}

/** Three to six round numbers from 0. */
function ticksUpTo(most: number): number[] {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((one) => most / one <= 5) ?? most
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step)
}

function percent(value: number): string {
  return `${round(value)}%`
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
