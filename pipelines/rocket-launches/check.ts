import { type Check, type CheckHost, commandFor, humanDuration } from 'tminus'
import { type Database, missingRights, type Queryable } from 'tminus/db'
import { upcomingUrl } from '../launches/launch-library/addresses.ts'
import { lastKnownQuota } from '../launches/launch-library/quota.ts'
import { isMissingTable } from '../launches/missing-tables.ts'
import { readSync } from '../launches/sync.ts'
import { filtersSet, whyNonePasses } from './discord/settings-filter.ts'
import { disabledAmong, disabledText } from './discord/target.ts'
import type { Settings } from './settings.ts'

/** Age of what is stored, calls left, and how the channels are told. Asks neither Launch Library nor Discord. */
export async function check(host: CheckHost<Settings>): Promise<Check[]> {
  return await host.withDatabase(async (db) => {
    const rights = await checkRights(db)
    return rights.length > 0 ? rights : await checkTables(db, host)
  })
}

async function checkTables(db: Database, host: CheckHost<Settings>): Promise<Check[]> {
  try {
    return [
      await checkAge(db, host),
      await checkQuota(db, host),
      await checkWebhooks(db, host.settings()),
      await checkOutbox(db),
      ...(await checkFilters(db, host)),
    ]
  } catch (error) {
    if (isMissingTable(error)) return [nothingYet]
    throw error
  }
}

/** Nothing where the tables can be made, or are there and can be read and written. */
async function checkRights(db: Queryable): Promise<Check[]> {
  const name = 'launches'
  const { rows } = await db.query<{ role: string; schema: string }>(
    `select quote_ident(current_user) as role, quote_ident(current_schema()) as schema
     where to_regclass('rocket_launches') is null and not has_schema_privilege(current_schema(), 'CREATE')`,
  )
  const [first] = rows
  if (first !== undefined) {
    const grant = `GRANT USAGE, CREATE ON SCHEMA ${first.schema} TO ${first.role}`
    return [{ name, level: 'fail', message: `their tables cannot be made; the schema's owner can mend it: ${grant}` }]
  }
  const missing = await missingRights(db, { named: '^(rocket_launch|discord_|launch_library_)' })
  return missing === undefined ? [] : [{ name, level: 'fail', message: missing }]
}

const RUN = `run ${commandFor('pipeline rocket-launches')}`

const nothingYet: Check = { name: 'launches', level: 'warn', message: `none are stored yet; ${RUN}` }

/** So many of the longest intervals may pass without a reading before something is wrong. */
const MISSED_LOOKS = 3

async function checkAge(db: Database, { settings, now }: CheckHost<Settings>): Promise<Check> {
  const { LAUNCH_LIBRARY_URL, LAUNCH_LIBRARY_INTERVALS } = settings()
  const stored = await readSync(db, upcomingUrl(LAUNCH_LIBRARY_URL).href)
  if (!stored?.lastSuccessAt)
    return { ...nothingYet, message: `none were read from ${new URL(LAUNCH_LIBRARY_URL).host} yet; ${RUN}` }
  const age = Math.max(0, now().getTime() - stored.lastSuccessAt.getTime())
  const told = `read ${humanDuration(age)} ago`
  if (age <= MISSED_LOOKS * Math.max(...LAUNCH_LIBRARY_INTERVALS))
    return { name: 'launches', level: 'ok', message: told }
  const why = `${commandFor('runs show rocket-launches latest')} tells why`
  return { name: 'launches', level: 'warn', message: `${told}, which is long; ${why}` }
}

async function checkQuota(db: Database, { settings, now }: CheckHost<Settings>): Promise<Check> {
  const { LAUNCH_LIBRARY_URL: baseUrl, LAUNCH_LIBRARY_TOKEN: token } = settings()
  const { calls, until, limit } = await lastKnownQuota({ db, baseUrl, token, now })
  const name = 'quota'
  if (calls === undefined) return { name, level: 'ok', message: 'no limit is known' }
  const left = `${calls.toLocaleString('en')} of ${limit?.toLocaleString('en')} calls left, the reserve not counted`
  if (calls > 0) return { name, level: 'ok', message: left }
  const when = until?.toISOString().slice(11, 16)
  return { name, level: 'warn', message: `no call is left; wait until ${when} UTC, or set LAUNCH_LIBRARY_TOKEN` }
}

async function checkWebhooks(db: Queryable, { DISCORD_WEBHOOK_URL: webhooks = [] }: Settings): Promise<Check> {
  const name = 'webhooks'
  if (webhooks.length === 0)
    return { name, level: 'ok', message: 'DISCORD_WEBHOOK_URL is not set: previews in the log, nothing is posted' }
  const [disabled] = await disabledAmong(db, webhooks)
  if (disabled === undefined) return { name, level: 'ok', message: `${webhooks.length} in use` }
  return { name, level: 'fail', message: `webhook ${disabled.target} has been ${disabledText(disabled)}` }
}

async function checkFilters(db: Queryable, { settings, now }: CheckHost<Settings>): Promise<Check[]> {
  if (filtersSet(settings()).length === 0) return []
  const nothing = await whyNonePasses(db, now(), settings())
  if (nothing === undefined) return [{ name: 'filters', level: 'ok', message: 'they let launches pass' }]
  return [{ name: 'filters', level: 'warn', message: `${nothing}; docs/discord.md tells how they are written` }]
}

async function checkOutbox(db: Queryable): Promise<Check> {
  const { rows } = await db.query<{ dead: number; unknown: number; waiting: number }>(
    `select count(*) filter (where state = 'dead')::int as dead,
       count(*) filter (where state = 'unknown')::int as unknown,
       count(*) filter (where state in ('pending', 'sending'))::int as waiting
     from discord_outbox where state <> 'sent'`,
  )
  const { dead = 0, unknown = 0, waiting = 0 } = rows[0] ?? {}
  const told = `${waiting} to be sent, ${unknown} of unknown fate, ${dead} given up`
  if (unknown === 0) return { name: 'outbox', level: 'ok', message: told }
  return { name: 'outbox', level: 'warn', message: `${told}; ${commandFor('discord outbox')} lists them` }
}
