import { inspect } from 'node:util'
import { afterEach, beforeEach, expect } from 'vitest'
import { z } from 'zod'
import { type NotifySummary, notifyDiscord } from '../../pipelines/rocket-launches/notify-discord.ts'
import { settings } from '../../pipelines/rocket-launches/settings.ts'
import type { ForumOptions } from '../../pipelines/rocket-launches/stand-ins/discord-forum.ts'
import {
  type DiscordOptions,
  type DiscordServer,
  startDiscord,
} from '../../pipelines/rocket-launches/stand-ins/discord-server.ts'
import { parseWebhookUrl, type Webhook } from '../../src/connectors/discord.ts'
import type { TaskLog } from '../../src/dag/task.ts'
import type { Database } from '../../src/db/pool.ts'
import { createLaunchDatabase, type TestDatabase, useDatabase } from './database.ts'
import { aLaunch } from './factories.ts'
import { Mortal } from './mortal.ts'

export const NOW = new Date('2026-11-21T05:00:00Z')
export const TOKEN = 'very-secret_TOKEN-0123456789'

/** Options of one call of `notify`. */
export interface Circumstances {
  webhook?: Webhook | undefined
  webhooks?: Webhook[]
  db?: Database
  signal?: AbortSignal
  /** The tick of a scheduled run. Default: a manual run. */
  scheduledFor?: Date
  /** Default: a new run each time. */
  runId?: string
  /** Environment variables, except DISCORD_WEBHOOK_URL. */
  env?: Record<string, string>
}

/** `notify_discord` with its own database and a loopback Discord: launch `a` is tomorrow, `b` the day after. */
export class Announcing {
  readonly database: TestDatabase
  discord!: DiscordServer
  /** Read by the stand-in for each request. Undefined: a text channel. */
  forum: ForumOptions | undefined
  /** If set, they answer instead of the stand-in: before it executes the request, or after. */
  intercept: DiscordOptions['intercept']
  interceptAnswer: DiscordOptions['interceptAnswer']
  /** `level message` */
  logged: string[] = []
  #runs = 0
  /** What the pipeline's clock shows. */
  now = NOW
  /** By default only cards are sent. */
  env: Record<string, string> = {}
  /** Set while a call must be killed. */
  #mortal: Mortal | undefined

  private constructor(database: TestDatabase) {
    this.database = database
  }

  /** For a test file: resets everything before each test. After each, no request was invalid and no token was printed. */
  static use(): Announcing {
    const channel = new Announcing(useDatabase(createLaunchDatabase))
    beforeEach(() => channel.#reset())
    afterEach(async () => {
      expect(channel.discord.violations).toEqual([])
      expect(inspect([channel.logged, await channel.outbox()], { depth: 9 })).not.toContain(TOKEN)
    })
    afterEach(() => channel.discord.close())
    return channel
  }

  async #reset(): Promise<void> {
    this.intercept = undefined
    this.interceptAnswer = undefined
    this.forum = undefined
    this.logged = []
    this.now = NOW
    this.env = { DISCORD_NOTICES: 'none' }
    this.#mortal = undefined
    this.discord = await startDiscord({
      token: TOKEN,
      now: () => this.now,
      forum: () => this.forum,
      intercept: (...args) => this.#mortal?.dies(args[1]) || (this.intercept?.(...args) ?? false),
      interceptAnswer: (...args) => this.#mortal?.dies(args[1]) || (this.interceptAnswer?.(...args) ?? false),
    })
    await this.forget()
    await this.database.pool.query('truncate rocket_launches, rocket_launch_changes, rocket_launch_sync')
    await this.store('a', 'Falcon 9 | Nearest', '2026-11-22T10:00:00Z')
    await this.store('b', 'Vulcan | Later', '2026-11-23T10:00:00Z')
  }

  /** Deletes everything that was announced. */
  async forget(): Promise<void> {
    await this.database.pool.query('truncate discord_outbox, discord_told, discord_target, discord_forum')
  }

  async notify(changed: Circumstances = {}): Promise<NotifySummary> {
    const { scheduledFor } = changed
    const env = { LAUNCH_LIBRARY_URL: 'https://ll.example/2.3.0', ...this.env, ...changed.env }
    const parsed = z.object(settings).parse(env)
    return await notifyDiscord(
      {},
      {
        db: changed.db ?? this.database.pool,
        log: logTo(this.logged),
        now: () => this.now,
        runId: changed.runId ?? `run-${++this.#runs}`,
        signal: changed.signal ?? new AbortController().signal,
        runType: scheduledFor ? 'scheduled' : 'manual',
        logicalDate: scheduledFor ?? this.now,
        settings: { ...parsed, DISCORD_WEBHOOK_URL: this.#webhooks(changed) },
      },
    )
  }

  #webhooks(changed: Circumstances): Webhook[] | undefined {
    if (changed.webhooks) return changed.webhooks
    if ('webhook' in changed) return changed.webhook && [changed.webhook]
    return [parseWebhookUrl(this.discord.webhookUrl)]
  }

  /** The error that `notify` throws. */
  async ending(changed: Circumstances = {}): Promise<unknown> {
    return await this.notify(changed).then(
      ({ outcome }) => Promise.reject(new Error(`nothing was thrown: ${outcome}`)),
      (error: unknown) => error,
    )
  }

  /**
   * Like `notify`, in a process that is killed after this many awaits: statements, commits, received requests and
   * answers about to be sent. True if it survived.
   */
  async mortal(awaits: number, changed: Circumstances = {}): Promise<boolean> {
    this.#mortal = new Mortal(awaits)
    try {
      await this.notify({ ...changed, db: this.#mortal.using(this.database.pool) })
      return true
    } catch {
      return false
    } finally {
      this.#mortal = undefined
    }
  }

  /** Discord gives this answer and does nothing else. */
  refuse(status: number, body: object, headers: Record<string, string> = {}): void {
    this.intercept = (_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
      return true
    }
  }

  async store(launchId: string, name: string, net: string): Promise<void> {
    await aLaunch(this.database.pool, { launch_id: launchId, name, net })
  }

  /** Changes launch `a`. `seenAt` says when the new net was first seen; without it, the net counts as old. */
  async change(to: { net?: string; statusId?: number; webcastLive?: boolean; seenAt?: Date }): Promise<void> {
    const { pool } = this.database
    if (to.seenAt)
      await pool.query(
        `insert into rocket_launch_changes (launch_id, field, old, new, seen_at) values ('a', 'net', null, $1, $2)`,
        [to.net, to.seenAt],
      )
    await pool.query(
      `update rocket_launches set net = coalesce($1, net), status_id = coalesce($2, status_id),
         webcast_live = coalesce($3, webcast_live) where launch_id = 'a'`,
      [to.net ?? null, to.statusId ?? null, to.webcastLive ?? null],
    )
  }

  /** Moves the outbox's times back. After three minutes a claim counts as abandoned. */
  async age(by = '3 minutes'): Promise<void> {
    await this.database.pool.query(
      `update discord_outbox set updated_at = updated_at - $1::interval, not_before = not_before - $1::interval`,
      [by],
    )
  }

  async outbox(): Promise<Record<string, unknown>[]> {
    const { rows } = await this.database.pool.query('select * from discord_outbox order by outbox_id')
    return rows
  }
}

function logTo(lines: string[]): TaskLog {
  const write = (level: string) => (message: string, fields?: object) =>
    void lines.push(`${level} ${message}${fields ? inspect(fields) : ''}`)
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}
