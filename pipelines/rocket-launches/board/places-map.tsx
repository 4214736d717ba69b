/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import { Table } from 'tminus/web'
import { type LaunchFilter, locationParam, MOST_PLACES, queryOf } from './address.ts'
import { assetOf } from './assets.ts'
import { MAP, onMap } from './night.ts'
import { LaunchTime, launchPath } from './parts.tsx'
import type { Place } from './places.ts'
import { type Point, pointsOf } from './points.ts'
import { useReader } from './reader.ts'
import { brief } from './words.ts'

interface PlacesProps {
  places: readonly Place[]
  filter: LaunchFilter
  base: string
}

/**
 * The circles for screens of three widths, in units of the map; the style sheet shows one kind. On each screen, a link is
 * at least 24 px wide. Most places have a circle of their own only on a wide screen.
 */
const RADII = { wide: { least: 15, most: 24 }, medium: { least: 30, most: 40 }, narrow: { least: 60, most: 72 } }

/** The launches by place: a map of the world, and a table of the same. */
export function Places({ places, filter, base }: PlacesProps) {
  const { map } = useReader().board
  return (
    <>
      <figure class="world places">
        {/* biome-ignore lint/a11y/useSemanticElements: there is no HTML element for a group of graphics */}
        <svg viewBox={`0 0 ${MAP.width} ${MAP.height}`} role="group" aria-label={map.label}>
          <rect class="sea" width={MAP.width} height={MAP.height} />
          <use class="land" href={`${base}/world.svg?v=${assetOf('world.svg').hash}#land`} />
          {Object.entries(RADII).map(([screen, radius]) => (
            <g class={`points ${screen}`}>
              {pointsOf(places, radius).map((point) => (
                <PointLink point={point} filter={filter} base={base} />
              ))}
            </g>
          ))}
        </svg>
        <figcaption class="sub">
          {map.about} {places.length === MOST_PLACES && map.most(MOST_PLACES)}
        </figcaption>
      </figure>
      <PlaceTable places={places} filter={filter} base={base} />
    </>
  )
}

function PointLink({ point, filter, base }: { point: Point } & Omit<PlacesProps, 'places'>) {
  const { search } = useReader().board
  const { x, y, r, launches, places } = point
  const text = `${brief(places.map(({ location }) => shortPlace(location)).join(', '), 120)}: ${search.count(launches)}`
  const digits = String(launches).length
  return (
    <a class="point" href={listOf(places, filter, base)}>
      <title>{text}</title>
      <circle cx={x} cy={y} r={r} />
      <text x={x} y={y} font-size={Math.round(r * (digits > 3 ? 0.7 : digits > 2 ? 0.85 : 1))}>
        {launches}
      </text>
    </a>
  )
}

/** The list of the launches from places. A place without a name has no list of its own. */
function listOf(places: readonly Place[], filter: LaunchFilter, base: string): string {
  const locations = places.flatMap(({ location }) => (location ? [locationParam(location)] : []))
  return `${base}/${queryOf({ ...filter, locations }, 1)}`
}

/** `Cape Canaveral SFS` of `Cape Canaveral SFS, FL, USA`. */
function shortPlace(location: string | null): string {
  return brief(location?.split(',')[0], 60)
}

function PlaceTable({ places, filter, base }: PlacesProps) {
  const { map } = useReader().board
  const first = filter.past ? map.last : map.next
  return (
    <Table name={map.table} columns={[map.place, { number: map.launches }, first]}>
      {places.map((place) => {
        const { location, launches, at, first } = place
        return (
          <tr>
            <th scope="row">
              {location ? <a href={listOf([place], filter, base)}>{brief(location, 80)}</a> : map.unknown}
              {!(at && onMap(at.y, at.x)) && <span class="sub"> {map.notOnMap}</span>}
            </th>
            <td class="right number fold-end">{launches}</td>
            <td>
              <a href={launchPath(base, first.launch_id)}>{brief(first.name, 80)}</a>{' '}
              <span class="sub">
                <LaunchTime launch={first} />
              </span>
            </td>
          </tr>
        )
      })}
    </Table>
  )
}
