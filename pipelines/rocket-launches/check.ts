import { type Check, type CheckHost, commandFor, humanDuration } from 'tminus'
import { type Database, missingRights, type Queryable } from 'tminus/db'
import { upcomingUrl } from '../launches/launch-library/addresses.ts'
import { lastKnownQuota } from '../launches/launch-library/quota.ts'
import { isMissingTable, isOlderTable, olderTables } from '../launches/missing-tables.ts'
import { readSync } from '../launches/sync.ts'
import { type Channel, channelsOf, silentFilters } from './discord/channel.ts'
import { disabledAmong, disabledText } from './discord/target.ts'
import type { Settings } from './settings.ts'

/**
 * Checks the age of the launches, the quota, the webhooks and the outbox, without a request to Launch Library or
 * Discord.
 */
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
      await checkWebhooks(db, channelsOf(host.settings())),
      await checkOutbox(db),
      ...(await checkFilters(db, host)),
    ]
  } catch (error) {
    if (isMissingTable(error)) return [nothingYet]
    if (isOlderTable(error)) return [{ name: 'launches', level: 'warn', urgent: true, message: olderTables() }]
    throw error
  }
}

/** A failed check if the role may not create the tables, or may not read and write them. Empty if all is well. */
async function checkRights(db: Queryable): Promise<Check[]> {
  const name = 'launches'
  const { rows } = await db.query<{ role: string; schema: string }>(
    `select quote_ident(current_user) as role, quote_ident(current_schema()) as schema
     where to_regclass('rocket_launches') is null and not has_schema_privilege(current_schema(), 'CREATE')`,
  )
  const [first] = rows
  if (first !== undefined) {
    const grant = `GRANT USAGE, CREATE ON SCHEMA ${first.schema} TO ${first.role}`
    return [
      { name, level: 'fail', message: `no right to create the tables; the schema's owner can grant it: ${grant}` },
    ]
  }
  const missing = await missingRights(db, { named: '^(rocket_launch|discord_|launch_library_)' })
  return missing === undefined ? [] : [{ name, level: 'fail', message: missing }]
}

const RUN = `run ${commandFor('pipeline rocket-launches')}`

const nothingYet: Check = { name: 'launches', level: 'warn', message: `none stored yet; ${RUN}` }

/** A warning appears if the last successful request is older than the longest interval, multiplied by this number. */
const MISSED_INTERVALS = 3

async function checkAge(db: Database, { settings, now }: CheckHost<Settings>): Promise<Check> {
  const { LAUNCH_LIBRARY_URL, LAUNCH_LIBRARY_INTERVALS } = settings()
  const stored = await readSync(db, upcomingUrl(LAUNCH_LIBRARY_URL).href)
  if (!stored?.lastSuccessAt)
    return { ...nothingYet, message: `none received from ${new URL(LAUNCH_LIBRARY_URL).host} yet; ${RUN}` }
  const age = Math.max(0, now().getTime() - stored.lastSuccessAt.getTime())
  const message = `read ${humanDuration(age)} ago`
  if (age <= MISSED_INTERVALS * Math.max(...LAUNCH_LIBRARY_INTERVALS)) return { name: 'launches', level: 'ok', message }
  const why = `${commandFor('runs show rocket-launches latest')} shows why`
  return { name: 'launches', level: 'warn', urgent: true, message: `${message}, which is too old; ${why}` }
}

async function checkQuota(db: Database, { settings, now }: CheckHost<Settings>): Promise<Check> {
  const { LAUNCH_LIBRARY_URL: baseUrl, LAUNCH_LIBRARY_TOKEN: token } = settings()
  const { calls, until, limit } = await lastKnownQuota({ db, baseUrl, token, now })
  const name = 'quota'
  if (calls === undefined) return { name, level: 'ok', message: 'its limit is unknown' }
  const left = `${calls.toLocaleString('en')} of ${limit?.toLocaleString('en')} calls left beyond the reserve`
  if (calls > 0) return { name, level: 'ok', message: left }
  const when = until?.toISOString().slice(11, 16)
  return { name, level: 'warn', message: `no calls left; wait until ${when} UTC, or set LAUNCH_LIBRARY_TOKEN` }
}

async function checkWebhooks(db: Queryable, channels: readonly Channel[]): Promise<Check> {
  const name = 'webhooks'
  if (channels.length === 0)
    return { name, level: 'ok', message: 'DISCORD_WEBHOOK_URL is not set: nothing is posted, the log shows previews' }
  const disabled = await disabledAmong(db, channels)
  const names = channels.filter((one) => one.name !== one.webhook.target).map((one) => one.name)
  const message = [`${channels.length} in use`, names.join(', ')].filter(Boolean).join(': ')
  if (disabled.length === 0) return { name, level: 'ok', message }
  const found = disabled.map((one) => `webhook ${one.name} has been ${disabledText(one)}`)
  return { name, level: 'fail', message: found.join('; ') }
}

async function checkFilters(db: Queryable, { settings, now }: CheckHost<Settings>): Promise<Check[]> {
  const { filtered, silent } = await silentFilters(db, now(), settings())
  if (!filtered) return []
  if (silent.length === 0) return [{ name: 'filters', level: 'ok', message: 'launches pass them' }]
  return [{ name: 'filters', level: 'warn', message: `${silent.join('; ')}; docs/discord.md explains filters` }]
}

async function checkOutbox(db: Queryable): Promise<Check> {
  const { rows } = await db.query<{ dead: number; unknown: number; waiting: number }>(
    `select count(*) filter (where state = 'dead')::int as dead,
       count(*) filter (where state = 'unknown')::int as unknown,
       count(*) filter (where state in ('pending', 'sending'))::int as waiting
     from discord_outbox where state <> 'sent'`,
  )
  const { dead = 0, unknown = 0, waiting = 0 } = rows[0] ?? {}
  const message = `${waiting} waiting, ${unknown} with unknown outcome, ${dead} dead`
  if (unknown === 0) return { name: 'outbox', level: 'ok', message }
  return { name: 'outbox', level: 'warn', message: `${message}; ${commandFor('discord outbox')} lists them` }
}
