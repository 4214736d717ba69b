/** @jsxRuntime automatic @jsxImportSource hono/jsx */
import type { DagRunState } from '../../dag/state.ts'
import { readUpcoming, type UpcomingRun } from '../../operations/next-runs.ts'
import { Id, StateIcon, Time } from '../parts.tsx'
import { paths } from '../paths.ts'
import { readTotals } from '../queries/health.ts'
import type { Site } from '../site.ts'
import { number } from './pick.tsx'

const UPCOMING = 10

/** The runs of all dags: how many failed in the last day, run and are queued, and the next ten. */
export async function Totals({ site }: { site: Site }) {
  const [{ failed, running, queued }, upcoming] = await Promise.all([
    readTotals(site.metadata),
    readUpcoming(site.metadata, [...site.dags.values()], site.now(), UPCOMING),
  ])
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
