/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Empty } from 'tminus/web'
import type { KnownLaunch } from '../../launches/launch.ts'
import { precisionOf } from '../../launches/time.ts'
import { isNarrow, type LaunchFilter, queryOf } from './address.ts'
import { Unbroken } from './hero.tsx'
import { type Day, monthBeside, monthKey, monthLayout, spanOf, WEEK, type Week } from './month.ts'
import { launchPath, Margin, StatusIcon, shortStatus, statusTone, utcText } from './parts.tsx'
import { useReader } from './reader.ts'
import { brief, clockText, dayText, isTimed, monthText, nameParts, shortPeriod, weekdayText } from './words.ts'

/** The most launches of a calendar; about five times those of a busy month. */
export const MOST_IN_MONTH = 200

interface CalendarProps {
  launches: readonly KnownLaunch[]
  filter: LaunchFilter
  now: Date
  base: string
}

/** Links to the months before and after. */
export function MonthLinks({ filter, now, base }: Omit<CalendarProps, 'launches'>) {
  const reader = useReader()
  const { calendar } = reader.board
  const beside = { prev: monthBeside(filter.month, -1), next: monthBeside(filter.month, 1) }
  const present = monthKey(now)
  const href = (month: string) => `${base}/${queryOf({ ...filter, month }, 1)}`
  return (
    <nav class="month-links" aria-label={calendar.months}>
      {(['prev', 'next'] as const).map(
        (rel) =>
          beside[rel] !== undefined && (
            <a class="button" rel={rel} href={href(beside[rel])}>
              {rel === 'prev' && <span aria-hidden="true">‹</span>}
              {monthText(spanOf(beside[rel]).from, reader)}
              {rel === 'next' && <span aria-hidden="true">›</span>}
            </a>
          ),
      )}
      {present !== filter.month && <a href={href(present)}>{calendar.thisMonth}</a>}
    </nav>
  )
}

/**
 * A month in UTC, weeks as rows. On a phone: the days that have a launch. The page's script moves launches to their days
 * in the reader's zone, also those shortly before and after the weeks, which are hidden without it.
 */
export function MonthCalendar({ launches, filter, now, base }: CalendarProps) {
  const reader = useReader()
  const { calendar } = reader.board
  const { weeks, open, before, after } = monthLayout(filter.month, launches)
  const today = now.toISOString().slice(0, 10)
  return (
    <div class={open.length > 0 ? 'calendar with-open' : 'calendar'}>
      <p class="sub">
        <span data-in-zone="utc">{calendar.utc}</span>
        <span data-in-zone="local" hidden>
          {calendar.local}
        </span>{' '}
        {calendar.longer} <a href={`${base}/${queryOf({ ...filter, month: '' }, 1)}`}>{calendar.inTheList}</a>.
        {launches.length >= MOST_IN_MONTH && ` ${calendar.most(MOST_IN_MONTH)}`}
      </p>
      {launches.length === 0 && (
        <Empty title={isNarrow(filter) ? calendar.noneMatches : calendar.none}>{calendar.beside}</Empty>
      )}
      <Entries launches={before} base={base} hidden />
      <div class="weeks">
        <ol class="weekdays" aria-hidden="true">
          {weeks[0]?.days.map(({ date }) => (
            <li>{weekdayText(date, reader)}</li>
          ))}
        </ol>
        <ol class="days">
          {weeks.map((week) => (
            <WeekRow week={week} month={filter.month} today={today} base={base} />
          ))}
        </ol>
      </div>
      <Entries launches={after} base={base} hidden />
      {open.length > 0 && (
        <section class="some-time" aria-labelledby="some-time">
          <h2 id="some-time">{calendar.someTime(monthText(spanOf(filter.month).from, reader))}</h2>
          <Entries launches={open} base={base} />
        </section>
      )}
    </div>
  )
}

interface RowProps {
  month: string
  today: string
  base: string
}

function WeekRow({ week, month, today, base }: RowProps & { week: Week }) {
  const { calendar } = useReader().board
  return (
    <>
      {week.days.map((day) => (
        <DayCell day={day} month={month} today={today} base={base} />
      ))}
      {week.open.length > 0 && (
        <li class="day whole-week">
          <p class="day-name">{calendar.someWeek}</p>
          <Entries launches={week.open} base={base} />
        </li>
      )}
    </>
  )
}

function DayCell({ day: { date, launches }, month, today, base }: RowProps & { day: Day }) {
  const key = date.toISOString().slice(0, 10)
  const isOther = !key.startsWith(month)
  return (
    <li class={isOther ? 'day other' : 'day'} data-day={key} aria-current={key === today ? 'date' : undefined}>
      <p class="day-name">
        <span class="day-number" aria-hidden="true">
          {date.getUTCDate()}
        </span>
        <span class="day-text">{dayText(date, useReader())}</span>
      </p>
      <Entries launches={launches} base={base} />
    </li>
  )
}

function Entries({ launches, base, hidden }: { launches: readonly KnownLaunch[]; base: string; hidden?: boolean }) {
  return (
    <ol class="entries" hidden={hidden}>
      {launches.map((launch) => (
        <Entry launch={launch} base={base} />
      ))}
    </ol>
  )
}

/** A launch with its time, as exact as it is known, and its status. */
function Entry({ launch, base }: { launch: KnownLaunch; base: string }) {
  const reader = useReader()
  const [rocket, mission] = nameParts(launch.name, 60)
  return (
    <li class={`entry ${statusTone(launch)}`}>
      <a href={launchPath(base, launch.launch_id)}>
        <span class="entry-time">
          <StatusIcon launch={launch} />
          {isTimed(launch) ? (
            <>
              <time datetime={launch.net.toISOString()} title={utcText(launch.net)} data-zoned="clock">
                {clockText(launch.net).slice(0, 5)}
              </time>{' '}
              <Margin launch={launch} />
            </>
          ) : (
            precisionOf(launch) < WEEK && <span>{shortPeriod(launch, reader)[1]}</span>
          )}{' '}
          <span class="entry-status">{brief(shortStatus(launch, reader.board), 40)}</span>
        </span>{' '}
        <span class="entry-name">
          <Unbroken text={mission} />
        </span>{' '}
        {rocket && <span class="entry-rocket">{rocket}</span>}
      </a>
    </li>
  )
}
