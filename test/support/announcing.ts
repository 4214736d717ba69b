import { inspect } from 'node:util'
import { initializeSchema } from '../../pipelines/rocket-launches/initialize-schema.ts'
import { type NotifySummary, notifyDiscord } from '../../pipelines/rocket-launches/notify-discord.ts'
import {
  type DiscordOptions,
  type DiscordServer,
  startDiscord,
} from '../../pipelines/rocket-launches/sample/discord-server.ts'
import { parseWebhookUrl, type Webhook } from '../../src/connectors/discord.ts'
import type { TaskLog } from '../../src/dag/task.ts'
import type { Database } from '../../src/db/pool.ts'
import { createDatabase, type TestDatabase } from './database.ts'

export const NOW = new Date('2026-11-21T05:00:00Z')
export const TOKEN = 'very-secret_TOKEN-0123456789'

/** What is other than usual in one call of `notify`. */
export interface Circumstances {
  webhook?: Webhook | undefined
  db?: Database
  signal?: AbortSignal
}

/** `notify_discord` with a database of its own and a Discord on loopback: launch `a` tomorrow, `b` the day after. */
export class Announcing {
  readonly database: TestDatabase
  discord!: DiscordServer
  /** Answer instead of the stand-in while set: before it did anything, or after. */
  intercept: DiscordOptions['intercept']
  interceptAnswer: DiscordOptions['interceptAnswer']
  /** `level message` */
  logged: string[] = []

  private constructor(database: TestDatabase) {
    this.database = database
  }

  static async open(): Promise<Announcing> {
    const database = await createDatabase()
    await initializeSchema({}, { db: database.pool, log: logTo([]) })
    return new Announcing(database)
  }

  /** Before each test. */
  async reset(): Promise<void> {
    this.intercept = undefined
    this.interceptAnswer = undefined
    this.logged = []
    this.discord = await startDiscord({
      token: TOKEN,
      intercept: (...args) => this.intercept?.(...args) ?? false,
      interceptAnswer: (...args) => this.interceptAnswer?.(...args) ?? false,
    })
    await this.database.pool.query('truncate rocket_launches, discord_outbox')
    await this.store('a', 'Falcon 9 | Nearest', '2026-11-22T10:00:00Z')
    await this.store('b', 'Vulcan | Later', '2026-11-23T10:00:00Z')
  }

  async notify(changed: Circumstances = {}): Promise<NotifySummary> {
    const webhook = 'webhook' in changed ? changed.webhook : parseWebhookUrl(this.discord.webhookUrl)
    return await notifyDiscord(
      {},
      {
        db: changed.db ?? this.database.pool,
        log: logTo(this.logged),
        now: () => NOW,
        signal: changed.signal ?? new AbortController().signal,
        settings: { LAUNCH_LIBRARY_URL: 'https://ll.example/2.3.0', DISCORD_WEBHOOK_URL: webhook },
      },
    )
  }

  /** What it threw. */
  async ending(changed: Circumstances = {}): Promise<unknown> {
    return await this.notify(changed).then(
      ({ outcome }) => Promise.reject(new Error(`nothing was thrown: ${outcome}`)),
      (error: unknown) => error,
    )
  }

  /** As `notify` in a process that is killed after so many statements. True if it came through. */
  async mortal(statements: number): Promise<boolean> {
    let left = statements
    const dying = async (statement: () => Promise<unknown>) => {
      if (left <= 0) throw new Error('killed')
      const result = await statement()
      left -= 1
      if (left <= 0) throw new Error('killed')
      return result
    }
    const { pool } = this.database
    const connect = async () => {
      const connection = await pool.connect()
      return instead(connection, {
        query: (...args: Parameters<typeof connection.query>) => dying(async () => connection.query(...args)),
        release: () => connection.release(true), // the server rolls back what is open, as after a kill
      })
    }
    const query = (...args: Parameters<typeof pool.query>) => dying(async () => pool.query(...args))
    const db = instead(pool, { connect, query })
    return await this.notify({ db }).then(
      () => true,
      () => false,
    )
  }

  /** Discord answers this, and does nothing. */
  refuse(status: number, body: object, headers: Record<string, string> = {}): void {
    this.intercept = (_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
      return true
    }
  }

  async store(launchId: string, name: string, net: string): Promise<void> {
    await this.database.pool.query(
      `insert into rocket_launches (launch_id, name, net, net_precision, status_id, status_name, provider, image_url)
       values ($1, $2, $3, 1, 1, 'Go for Launch', 'SpaceX', 'https://images.example/rocket.png')`,
      [launchId, name, net],
    )
  }

  /** Of launch `a`. */
  async change({ net, statusId }: { net?: string; statusId?: number }): Promise<void> {
    await this.database.pool.query(
      `update rocket_launches set net = coalesce($1, net), status_id = coalesce($2, status_id) where launch_id = 'a'`,
      [net ?? null, statusId ?? null],
    )
  }

  /** Lets three minutes pass for whoever holds a claim. */
  async age(): Promise<void> {
    await this.database.pool.query(`update discord_outbox set updated_at = updated_at - interval '3 minutes'`)
  }

  async outbox(): Promise<Record<string, unknown>[]> {
    const { rows } = await this.database.pool.query('select * from discord_outbox order by outbox_id')
    return rows
  }
}

/** The same object, but for some of its methods. */
function instead<T extends object>(target: T, methods: Record<string, unknown>): T {
  return new Proxy(target, {
    get: (_, key) => {
      const value = methods[String(key)] ?? Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function logTo(lines: string[]): TaskLog {
  const write = (level: string) => (message: string, fields?: object) =>
    void lines.push(`${level} ${message}${fields ? inspect(fields) : ''}`)
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}
