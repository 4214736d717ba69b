import { z } from 'zod'
import { FINAL, type Launch } from '../../pipelines/launches/launch.ts'
import { upcomingUrl } from '../../pipelines/launches/launch-library/addresses.ts'
import { storePage } from '../../pipelines/launches/store-page.ts'
import { recordAttempt, recordSuccess } from '../../pipelines/launches/sync.ts'
import { notifyDiscord } from '../../pipelines/rocket-launches/notify-discord.ts'
import { settings } from '../../pipelines/rocket-launches/settings.ts'
import type { Database } from '../../src/db/pool.ts'
import { TminusError } from '../../src/errors.ts'
import { createLaunchDatabase, type TestDatabase } from './database.ts'
import { Mortal } from './mortal.ts'
import { quietLog } from './quiet-log.ts'
import { YearChannel } from './year-channel.ts'
import { mistakesOf } from './year-invariants.ts'
import {
  busyTicksOf,
  DIGEST,
  type Happening,
  happeningsOf,
  PROVIDERS,
  type Trouble,
  ticksOf,
  type Year,
} from './year-model.ts'

const API = 'https://ll.example/2.3.0'
const SOURCE = upcomingUrl(API).href

/** Simulates a year of launches, tick by tick. */
export class LivedYear {
  readonly database: TestDatabase
  readonly year: Year
  readonly channels: YearChannel[] = []
  readonly happenings: Happening[]
  /** Every state of each launch that was stored. */
  readonly states = new Map<string, (Launch | undefined)[]>()
  /** When the success or failure of a launch was first stored. */
  readonly results = new Map<string, number>()
  /** When the status of each launch last changed, in simulated ms. */
  readonly statusChangedAt = new Map<string, number>()
  now = 0
  ticks = 0
  mortal: Mortal | undefined
  /** For debugging. */
  readonly diary: string[] = []
  #applied = 0
  #before = 0
  #abort = new AbortController()

  private constructor(database: TestDatabase, year: Year) {
    this.database = database
    this.year = year
    this.happenings = happeningsOf(year)
  }

  static async open(year: Year): Promise<LivedYear> {
    const lived = new LivedYear(await createLaunchDatabase(), year)
    for (let index = 0; index < year.channels; index += 1) lived.channels.push(await YearChannel.open(index, lived))
    return lived
  }

  async close(): Promise<void> {
    await Promise.all(this.channels.map(({ discord }) => discord.close()))
    await this.database.drop()
  }

  giveUp(): void {
    setImmediate(() => this.#abort.abort())
  }

  /** Runs until the first mistake, and returns what is wrong. */
  async live(): Promise<string[]> {
    const ticks = ticksOf(this.happenings)
    const busy = busyTicksOf(this.happenings).filter((tick) => ticks.includes(tick))
    for (const [index, tick] of ticks.entries()) {
      this.ticks = index + 1
      const since = ({ tick }: Trouble) => index - ticks.indexOf(busy[tick % busy.length] ?? 0)
      const troubles = this.year.troubles.filter((one) => since(one) >= 0 && since(one) < one.ticks)
      await this.#tick(tick, troubles)
      const mistakes = await mistakesOf(this)
      if (mistakes.length > 0) return mistakes
    }
    return []
  }

  async #tick(tick: number, troubles: readonly Trouble[]): Promise<void> {
    await this.#pass(tick)
    const ours = troubles.find((trouble) => !('channels' in trouble))
    for (const channel of this.channels) {
      const trouble = troubles.find((one) => 'channels' in one && one.channels.includes(channel.index))
      channel.setFault(trouble && 'channels' in trouble ? trouble : undefined)
    }
    if (ours?.kind !== 'silent') await this.#fetch()
    this.diary.push(`${new Date(tick).toISOString()} ${troubles.map(({ kind }) => kind).join(', ')}`)
    if (ours?.kind !== 'down') return await this.#run(ours)
    for (const channel of this.channels) channel.clean = 0
  }

  /** Moves the outbox's times, which are from the database's clock. */
  async #pass(tick: number): Promise<void> {
    const ms = this.#before === 0 ? 0 : tick - this.#before
    this.now = tick
    this.#before = tick
    await this.database.pool.query(
      `update discord_outbox set updated_at = updated_at - $1 * interval '1 millisecond',
         not_before = not_before - $1 * interval '1 millisecond'
       where state <> 'sent' or not_before is not null`,
      [ms],
    )
  }

  /** Stores Launch Library's current data, as the previous task does. */
  async #fetch(): Promise<void> {
    const { pool } = this.database
    const now = new Date(this.now)
    await recordAttempt(pool, SOURCE, now)
    for (; (this.happenings[this.#applied]?.at ?? Number.POSITIVE_INFINITY) <= this.now; this.#applied += 1) {
      const { launchId, launch } = this.happenings[this.#applied] as Happening
      if (launch && launch.status_id !== this.present(launchId)?.status_id) this.statusChangedAt.set(launchId, this.now)
      this.states.set(launchId, [...(this.states.get(launchId) ?? []), launch])
      if (FINAL.includes(launch?.status_id ?? 0) && !this.results.has(launchId)) this.results.set(launchId, this.now)
      this.diary.push(
        `  ${launchId} ${launch ? `${launch.net.toISOString()} p${launch.net_precision} s${launch.status_id}` : 'gone'}`,
      )
      if (launch) await storePage(pool, [{ launch, detailed: true, details: JSON.stringify(launch) }], now)
      else await pool.query('update rocket_launches set vanished_at = $2 where launch_id = $1', [launchId, now])
    }
    await recordSuccess(pool, SOURCE, { startedAt: now, highWater: undefined, launches: undefined })
  }

  async #run(ours: Trouble | undefined): Promise<void> {
    const { pool } = this.database
    this.#abort = new AbortController()
    if (ours?.kind === 'killed') {
      this.mortal = new Mortal(ours.amount)
      await this.#notify(this.mortal.using(pool))
    } else if (ours?.kind === 'twice, one killed') {
      const mortal = new Mortal(ours.amount)
      await Promise.all([this.#notify(mortal.using(pool)), this.#notify(pool)])
    } else {
      await Promise.all((ours?.kind === 'twice' ? [1, 2] : [1]).map(() => this.#notify(pool)))
    }
    const killed = ours?.kind === 'killed' || ours?.kind === 'twice, one killed'
    this.mortal = undefined
    for (const channel of this.channels) {
      const died = killed || this.#abort.signal.aborted
      if (died) channel.forget() // a killed process may not have stored Discord's answer
      if (killed) channel.abandon(await this.#abandoned(channel))
      // A killed process may have lost the answer before the channel could count it.
      const counted = channel.trouble?.kind.endsWith('hangs') && !killed
      if (this.#abort.signal.aborted && !counted) channel.lost += 1
      const wrong = died || channel.trouble || this.now < channel.waitUntil
      channel.clean = wrong ? 0 : channel.clean + 1
    }
  }

  /** Posts claimed by a process that was killed. */
  async #abandoned({ webhook }: YearChannel): Promise<number> {
    const { rows } = await this.database.pool.query(
      `select from discord_outbox where target = $1 and state = 'sending' and message_id is null`,
      [webhook.target],
    )
    return rows.length
  }

  /** One more run, without any fault. */
  async again(): Promise<void> {
    await this.#notify(this.database.pool)
  }

  async #notify(db: Database): Promise<void> {
    const now = new Date(this.now)
    const env = {
      LAUNCH_LIBRARY_URL: API,
      DISCORD_VOLUME: this.year.volume,
      DISCORD_DIGEST: DIGEST,
      ...(this.year.filtered && { DISCORD_FILTER_PROVIDERS: PROVIDERS[0] }),
    }
    const parsed = z.object(settings).parse(env)
    const log = quietLog()
    await notifyDiscord(
      {},
      {
        ...{ db, log, now: () => now, signal: this.#abort.signal, runType: 'scheduled', logicalDate: now },
        runId: `scheduled__${now.toISOString()}`,
        settings: { ...parsed, DISCORD_WEBHOOK_URL: this.channels.map(({ address }) => address) },
      },
    ).catch((error: Error) => {
      if (error.message !== 'killed' && !(error instanceof TminusError)) throw error
    })
    this.diary.push(...log.lines.map((line) => `  ${line}`))
  }

  passes(launchId: string): boolean {
    return !this.year.filtered || this.present(launchId)?.provider === PROVIDERS[0]
  }

  /** Its last stored state, even if it is no longer listed. */
  present(launchId: string): Launch | undefined {
    return this.states.get(launchId)?.findLast((launch) => launch !== undefined)
  }
}
