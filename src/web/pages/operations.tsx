/** @jsxRuntime automatic @jsxImportSource hono/jsx */

import { Hono } from 'hono'
import { commandFor } from '../../command-for.ts'
import { listExecuting, nameOf } from '../../maintenance/alive.ts'
import { processWarnings } from '../../maintenance/check-runs.ts'
import { checkVersions } from '../../maintenance/versions.ts'
import { listPools, type PoolListing, parseSlots, setPool } from '../../operations/pools.ts'
import { beginning, SHOWN } from '../excerpt.ts'
import { readForm } from '../form.ts'
import { Page, Title } from '../layout.tsx'
import { Empty, Facts, Id, Notice, Table, Time } from '../parts.tsx'
import { checkDags } from '../queries/checks.ts'
import { readHealth } from '../queries/health.ts'
import { hasRole, requireRole } from '../rights.ts'
import type { WebEnv } from '../site.ts'
import { ImportErrors } from './import-errors.tsx'
import { number, runsOf } from './pick.tsx'
import { FAILED_TODAY } from './totals.tsx'

/** Pools and health, for operators of the site. */
export const operationsPages = new Hono<WebEnv>()

operationsPages.get('/pools', async (c) => {
  const pools = await listPools(c.var.site.metadata)
  const admin = hasRole(c, 'admin')
  return c.html(
    <Page c={c} title="Pools">
      <Title text="Pools">A pool limits how many of its tasks run at once. A task waits until a slot is free.</Title>
      <div class="stack">
        {pools.length === 0 ? (
          <Empty title="No pools yet">Create one and name it in a task: pool: 'api'</Empty>
        ) : (
          <Pools pools={pools} admin={admin} />
        )}
        {pools.length > MOST_POOLS && (
          <p class="sub">
            {number(pools.length - MOST_POOLS)} more: <code>{commandFor('pools list')}</code>
          </p>
        )}
        {admin && <PoolForm />}
      </div>
    </Page>,
  )
})

const MOST_POOLS = 200

function Pools({ pools, admin }: { pools: readonly PoolListing[]; admin: boolean }) {
  return (
    <Table name="Pools" columns={['Pool', 'Used', { number: 'Slots' }, 'Description']}>
      {pools.slice(0, MOST_POOLS).map(({ pool, slots, used, description }) => (
        <tr>
          <th scope="row">
            <Id id={pool} />
          </th>
          <td data-label="Used">
            <span class="number">
              <meter min={0} max={Math.max(1, slots)} value={used} aria-label={`${used} of ${slots} slots used`} />{' '}
              {used} of {slots}
            </span>
          </td>
          <td class="right" data-label="Slots">
            {admin && !pool.startsWith('dag:') ? (
              <form method="post" action="/pools" class="actions end">
                <input type="hidden" name="pool" value={pool} />
                <input
                  name="slots"
                  class="short"
                  inputmode="numeric"
                  value={String(slots)}
                  aria-label={`Slots of ${pool}`}
                />
                <button type="submit" class="small">
                  Save
                </button>
              </form>
            ) : (
              slots
            )}
          </td>
          <td class="reason">
            {description === 'maxActiveTasks' ? 'maxActiveTasks of its dag' : description?.slice(0, SHOWN.listed)}
          </td>
        </tr>
      ))}
    </Table>
  )
}

function PoolForm() {
  return (
    <section class="card narrow">
      <h2>New pool</h2>
      <form method="post" action="/pools" class="bar-form filters">
        <label class="over">
          Name
          <input name="pool" required pattern="[A-Za-z0-9_.\-]{1,250}" title="Letters, digits, - _ and ." />
        </label>
        <label class="over">
          Slots
          <input name="slots" class="short" required inputmode="numeric" />
        </label>
        <button type="submit">Create pool</button>
      </form>
    </section>
  )
}

operationsPages.post('/pools', requireRole('admin'), async (c) => {
  const field = await readForm(c)
  const [pool, slots] = [field('pool'), field('slots').trim()]
  await setPool(c.var.site.metadata, pool, parseSlots(pool, slots), null)
  c.var.site.log.info({ pool, slots, user: c.var.viewer.name }, 'pool set on the page')
  return c.redirect('/pools', 303)
})

const MOST_CHECKS = 30

operationsPages.get('/status', async (c) => {
  const { site } = c.var
  const [executing, versions, health, checks] = await Promise.all([
    listExecuting(site.metadata),
    checkVersions(site.metadata),
    readHealth(site.metadata),
    checkDags(site),
  ])
  const failing = checks.filter(({ level }) => level !== 'ok')
  const wrong = [...processWarnings(executing), ...versions, ...failing]
  return c.html(
    <Page c={c} title="Health">
      <Title text="Health" />
      <div class="stack">
        {executing.length === 0 && (
          <Notice kind="bad">
            No running process executes scheduled runs. Start one with <code>{commandFor('start')}</code>
          </Notice>
        )}
        <ImportErrors site={site} />
        {wrong.slice(0, MOST_CHECKS).map(({ name, level, message }) => (
          <Notice kind={level === 'fail' ? 'bad' : 'info'}>
            <strong>{name}</strong>: {beginning(message, SHOWN.sentence, site.scrub)}
          </Notice>
        ))}
        {health.failed > 0 && (
          <Notice kind="bad">
            <a href={FAILED_TODAY}>{runsOf(health.failed)} failed in the last 24 hours</a>
          </Notice>
        )}
        {executing.length > 0 && site.importErrors.length === 0 && wrong.length === 0 && health.failed === 0 && (
          <Notice kind="good">Everything is healthy.</Notice>
        )}
        <section class="card" aria-label="Figures">
          <Facts
            strip
            facts={[
              ['Running runs', <a href="/runs?state=running">{number(health.running)}</a>],
              ['Queued runs', <a href="/runs?state=queued">{number(health.queued)}</a>],
              ['Oldest queued run', health.oldest_queued && <Time at={health.oldest_queued} show="ago" />],
              ['Failed in the last 24 hours', <a href={FAILED_TODAY}>{number(health.failed)}</a>],
              ['Executing processes', executing.slice(0, MOST_CHECKS).map(nameOf).join(', ') || 'none'],
              ['Open live pages', String(site.live.followers)],
              ['Database', `PostgreSQL ${health.server}, ${health.size}`],
              ["This process's clock", <Time at={site.now()} />],
            ]}
          />
        </section>
        {checks.length > failing.length && (
          <section class="card" aria-label="Pipelines">
            <h2>Pipelines</h2>
            <Facts
              facts={checks
                .filter(({ level }) => level === 'ok')
                .slice(0, MOST_CHECKS)
                .map(({ name, message }) => [name, message.slice(0, SHOWN.sentence)])}
            />
          </section>
        )}
      </div>
    </Page>,
  )
})
