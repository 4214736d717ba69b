/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { commandFor } from 'tminus'
import { Empty } from 'tminus/web'
import { placeText } from '../../launches/launch-facts.ts'
import { isNarrow, type LaunchFilter, queryOf, unfiltered } from './address.ts'
import { launchPath, Margin, Picture, RelativeTime, ShortTime, StatusMark } from './parts.tsx'
import type { BoardLaunch } from './query.ts'
import { type Reader, useReader } from './reader.ts'
import { brief, headingOf, isTimed, shortPeriod } from './words.ts'

export interface ListProps {
  launches: readonly BoardLaunch[]
  filter: LaunchFilter
  now: Date
  base: string
}

/** Launches grouped by month, or by a longer period if only that is known. */
export function LaunchList({ launches, filter, now, base }: ListProps) {
  if (launches.length === 0) return <NoLaunches filter={filter} base={base} />
  const reader = useReader()
  return (
    <>
      {groupByHeading(launches, filter.past, reader).map(({ heading, group }) => (
        <section class="month">
          <h2>{heading}</h2>
          <ol class="launches">
            {group.map((launch) => (
              <LaunchRow launch={launch} now={now} base={base} />
            ))}
          </ol>
        </section>
      ))}
    </>
  )
}

function groupByHeading(
  launches: readonly BoardLaunch[],
  past: boolean,
  reader: Reader,
): { heading: string; group: BoardLaunch[] }[] {
  const groups: { heading: string; group: BoardLaunch[] }[] = []
  for (const launch of launches) {
    const heading = headingOf(launch, past, reader)
    const last = groups.at(-1)
    if (last?.heading === heading) last.group.push(launch)
    else groups.push({ heading, group: [launch] })
  }
  return groups
}

export function LaunchRow({ launch, now, base }: { launch: BoardLaunch; now: Date; base: string }) {
  const [lead, rest] = shortPeriod(launch, useReader())
  return (
    <li class="launch">
      <p class="launch-time">
        {isTimed(launch) ? (
          <>
            <ShortTime net={launch.net} />
            <span class="away-line">
              <RelativeTime at={launch.net} now={now} /> <Margin launch={launch} />
            </span>
          </>
        ) : (
          <>
            <span>{lead}</span> <span>{rest}</span>
          </>
        )}
      </p>
      <Picture launch={launch} />
      <div class="launch-text">
        <a class="launch-name" href={launchPath(base, launch.launch_id)}>
          {brief(launch.name)}
        </a>
        <p class="sub">{brief([launch.provider, placeText(launch)].filter(Boolean).join(' · '))}</p>
      </div>
      <StatusMark launch={launch} short />
    </li>
  )
}

function NoLaunches({ filter, base }: { filter: LaunchFilter; base: string }) {
  const { none } = useReader().board
  const { past } = filter
  if (!isNarrow(filter))
    return past ? (
      <Empty title={none.pastStored}>
        {none.loadAll} <code>{commandFor('pipeline launch-history')}</code>
      </Empty>
    ) : (
      <Empty title={none.upcomingStored}>
        {none.fetchThem} <code>{commandFor('pipeline rocket-launches')}</code>
      </Empty>
    )
  return (
    <Empty title={past ? none.pastMatches : none.upcomingMatches}>
      {none.fewer} <a href={`${base}/${queryOf(unfiltered(filter), 1)}`}>{none.showAll}</a>.
    </Empty>
  )
}
