/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { DagRunState } from '../../dag/state.ts'
import { readUpcoming, type UpcomingRun } from '../../operations/next-runs.ts'
import { Id, StateIcon, Time } from '../parts.tsx'
import { paths } from '../paths.ts'
import { readTotals } from '../queries/health.ts'
import type { Site } from '../site.ts'
import { number } from './pick.tsx'

const UPCOMING = 10

interface Now {
  totals: Awaited<ReturnType<typeof readTotals>>
  upcoming: readonly UpcomingRun[]
}

/** @param mark of the list of all dags, read before this */
export async function readNow(site: Site, mark: string): Promise<Now> {
  const [totals, upcoming] = await Promise.all([readTotals(site.metadata), upcomingOf(site, mark)])
  return { totals, upcoming }
}

/** With a thousand dags the next runs take 20 ms to find. They stay the same until a run is queued or a dag is paused. */
const kept = new WeakMap<Site, { mark: string; upcoming: readonly UpcomingRun[] }>()

async function upcomingOf(site: Site, mark: string): Promise<readonly UpcomingRun[]> {
  const known = kept.get(site)
  const now = site.now()
  if (known?.mark === mark && known.upcoming.every(({ at }) => at > now)) return known.upcoming
  const upcoming = await readUpcoming(site.metadata, [...site.dags.values()], now, UPCOMING)
  kept.set(site, { mark, upcoming })
  return upcoming
}

/** The runs of all dags: how many failed in the last day, run and are queued, and which dags run next. */
export function Totals({ now: { totals, upcoming } }: { now: Now }) {
  const { failed, running, queued } = totals
  return (
    <section id="totals" class="totals" aria-label="Runs now">
      <Total state="failed" count={failed} text="failed in the last 24 hours" href={FAILED_TODAY} />
      <Total state="running" count={running} text="running" href="/runs?state=running" />
      <Total state="queued" count={queued} text="queued" href="/runs?state=queued" />
      <NextTen upcoming={upcoming} />
    </section>
  )
}

export const FAILED_TODAY = '/runs?state=failed&within=1d'

function Total({ state, count, text, href }: { state: DagRunState; count: number; text: string; href: string }) {
  return (
    <a class={`card total ${count === 0 ? '' : state}`} id={`total-${state}`} href={href}>
      <span class="total-count">
        {count > 0 && <StateIcon state={state} />}
        {number(count)}
      </span>
      {text}
    </a>
  )
}

function NextTen({ upcoming }: { upcoming: readonly UpcomingRun[] }) {
  return (
    <div class="card next-ten">
      <h2 class="minor">Next runs</h2>
      {upcoming.length === 0 ? (
        <p class="muted">No run is scheduled.</p>
      ) : (
        <ol>
          {upcoming.map(({ dagId, at }, index) => (
            <li>
              <a id={`next-${index}`} href={paths.dag(dagId)}>
                <Id id={dagId} />
              </a>{' '}
              <Time at={at} show="next" />
            </li>
          ))}
        </ol>
      )}
    </div>
  )
}
