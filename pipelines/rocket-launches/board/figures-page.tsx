/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { commandFor } from 'tminus'
import { type Child, Empty, Page, Table, type WebContext } from 'tminus/web'
import { assetLinks } from './assets.ts'
import { type Figures, type FiguresName, YEARS } from './figures.ts'
import type { FiguresRange, Tally } from './figures-query.ts'
import { LaunchesOf, type LaunchesOfProps } from './launches-of.tsx'
import { MonthChart } from './month-chart.tsx'
import { OUTCOMES } from './outcomes.ts'
import { readerOf, useReader } from './reader.ts'
import { SlipTable } from './slip-table.tsx'

interface FiguresProps {
  base: string
  range: FiguresRange
  figures: Figures
}

/** Rows of a table on the page; the CSV has all. */
const MAX_SHOWN = 15

/** Launches per month, success by rocket and provider, slips by provider. */
export function FiguresPage({ c, ...props }: FiguresProps & { c: WebContext }) {
  const reader = readerOf(c)
  const { base, range, figures } = props
  const words = reader.figures
  const since = new Intl.DateTimeFormat(reader.locale, { month: 'long', year: 'numeric', timeZone: 'UTC' })
  const share = { path: `${base}/figures?years=${range.years}` }
  return (
    <Page
      c={c}
      lang={reader.language}
      title={words.title}
      description={words.about}
      share={share}
      {...assetLinks(base)}
    >
      <div class="head">
        <h1>{words.title}</h1>
        <Lists base={base} />
      </div>
      <div class="figures-span">
        <p class="muted">{words.from(since.format(range.start))}</p>
        <Span {...props} />
      </div>
      {figures.months.length === 0 ? (
        <Empty title={words.none}>
          {words.noneAbout} <code>{commandFor('pipeline launch-history')}</code>
        </Empty>
      ) : (
        <Outcomes {...props} />
      )}
      <Part name="slips" title={words.slips.title} {...props}>
        <p class="muted">{words.slips.about}</p>
        <SlipTable slips={figures.slips.slice(0, MAX_SHOWN)} base={base} />
        <More all={figures.slips.length} />
      </Part>
    </Page>
  )
}

/** The same links as above the lists of launches. */
function Lists({ base }: { base: string }) {
  const { board, figures } = useReader()
  return (
    <nav class="which" aria-label={board.which}>
      <a href={`${base}/`}>{board.upcoming}</a>
      <a href={`${base}/?show=past`}>{board.past}</a>
      <a href={`${base}/figures`} aria-current="page">
        {figures.link}
      </a>
    </nav>
  )
}

function Span({ base, range }: FiguresProps) {
  const { figures } = useReader()
  return (
    <nav class="which" aria-label={figures.span}>
      {YEARS.map((years) => (
        <a href={`${base}/figures?years=${years}`} aria-current={years === range.years ? 'page' : undefined}>
          {figures.years(years)}
        </a>
      ))}
    </nav>
  )
}

function Outcomes(props: FiguresProps) {
  const { months, rockets, providers } = props.figures
  const { figures: words } = useReader()
  return (
    <>
      <Part name="months" title={words.months.title} {...props}>
        <MonthChart months={months} />
        <details class="figure-table">
          <summary>{words.table}</summary>
          <TallyTable title={words.months.title} name={words.months.month} tallies={[...months].reverse()} />
        </details>
      </Part>
      <Part name="rockets" title={words.rockets.title} {...props}>
        <p class="muted">{words.rateAbout}</p>
        <Rates {...words.rockets} tallies={rockets} by="rocket" base={props.base} />
      </Part>
      <Part name="providers" title={words.providers.title} {...props}>
        <Rates {...words.providers} tallies={providers} by="provider" base={props.base} />
      </Part>
    </>
  )
}

/** A section with the link to its CSV. */
function Part({ name, title, base, range, children }: FiguresProps & PartProps) {
  const { figures } = useReader()
  const id = `figures-${name}`
  return (
    <section class="figures-part">
      <div class="head">
        <h2 id={id}>{title}</h2>
        <a href={`${base}/figures/${name}.csv?years=${range.years}`} aria-label={`${figures.csv}: ${title}`}>
          {figures.csv}
        </a>
      </div>
      {children}
    </section>
  )
}

interface PartProps {
  name: FiguresName
  title: string
  children?: Child
}

/** The first rows of a table with bars. */
function Rates({ title, name, tallies, ...listed }: Omit<TallyProps, 'listed'> & Omit<LaunchesOfProps, 'value'>) {
  return (
    <>
      <TallyTable title={title} name={name} tallies={tallies.slice(0, MAX_SHOWN)} listed={listed} />
      <More all={tallies.length} />
    </>
  )
}

function More({ all }: { all: number }) {
  const { figures } = useReader()
  return all > MAX_SHOWN ? <p class="muted more">{figures.more(all - MAX_SHOWN)}</p> : null
}

interface TallyProps {
  title: string
  name: string
  tallies: readonly Tally[]
  /** The rows are rockets or providers: each has a bar, and links to the list of its launches. */
  listed?: Omit<LaunchesOfProps, 'value'>
}

/** Counts by outcome. */
function TallyTable({ title, name, tallies, listed }: TallyProps) {
  const { figures } = useReader()
  const { outcomes } = figures
  const columns = [
    name,
    ...(listed ? [figures.share] : []),
    { number: figures.rate },
    { number: figures.launches },
    ...OUTCOMES.map((outcome) => ({ number: outcomes[outcome] })),
  ]
  return (
    <Table name={title} columns={columns}>
      {tallies.map((tally) => (
        <tr>
          <th scope="row">{listed ? <LaunchesOf {...listed} value={tally.key} /> : tally.key}</th>
          {listed && (
            <td class="bar-cell">
              <OutcomeBar tally={tally} />
            </td>
          )}
          <td class="right number fold-end">{rateOf(tally)}</td>
          <td class="right number" data-label={figures.launches}>
            {tally.launches}
          </td>
          {OUTCOMES.map((outcome) => (
            <td class={`right number${tally[outcome] === 0 ? ' zero' : ''}`} data-label={outcomes[outcome]}>
              {tally[outcome]}
            </td>
          ))}
        </tr>
      ))}
    </Table>
  )
}

/** The same numbers are in the row, so screen readers skip the bar. */
function OutcomeBar({ tally }: { tally: Tally }) {
  let left = 0
  return (
    <svg class="share-bar" width="100%" height="12" aria-hidden="true">
      {OUTCOMES.map((outcome) => {
        const [x, width] = [left, (tally[outcome] / tally.launches) * 100]
        left += width
        return (
          width > 0 && (
            <rect class={`of-${outcome}`} x={`${x.toFixed(2)}%`} width={`${width.toFixed(2)}%`} height="12" />
          )
        )
      })}
    </svg>
  )
}

/** `97.4 %` of the launches with an outcome. It is 100 % only without a failure. */
function rateOf({ success, partial, failure }: Tally): string {
  const known = success + partial + failure
  if (known === 0) return '–'
  return success === known ? '100 %' : `${Math.min(99.9, (success / known) * 100).toFixed(1)} %`
}
