import { fileURLToPath } from 'node:url'
import format from 'pg-format'
import { expect } from 'vitest'
import { type DiscordServer, startDiscord } from '../../pipelines/rocket-launches/stand-ins/discord-server.ts'
import {
  type LaunchLibraryServer,
  startLaunchLibrary,
} from '../../pipelines/rocket-launches/stand-ins/launch-library-server.ts'
import type { Database } from '../../src/db/pool.ts'
import type { Ended, Running } from '../support/cli.ts'
import { type Handler, type HttpServer, startHttpServer } from '../support/http-server.ts'

export const PIPELINES = fileURLToPath(new URL('../../pipelines', import.meta.url))

/** Asserts that no run is active and no process counts as alive. */
export async function expectNothingRunning(db: Database): Promise<void> {
  const { rows } = await db.query(
    `select 'run' as what, state from metadata.dag_run where state not in ('success', 'failed')
     union all select task_id, state from metadata.task_instance
       where state not in ('success', 'failed', 'skipped', 'upstream_failed')
     union all select 'job', state from metadata.job where state = 'running'`,
  )
  expect(rows).toEqual([])
}

/**
 * Ends a process whose dag may run at that moment, with SIGTERM. If it releases a run for the next process, it exits with
 * 143, else with 0.
 */
export async function expectOrderlyEnd(running: Running, db: Database): Promise<void> {
  running.process.kill('SIGTERM')
  const { code, stderr } = await running.ended
  const { rowCount: released } = await db.query(
    `select from metadata.dag_run where state = 'queued' and started_at is not null`,
  )
  expect([code, stderr]).toEqual([released === 0 ? 0 : 143, ''])
}

/** Asserts that no secret is in the output of a process or in any table of the database. */
export async function expectNoSecret(secrets: readonly string[], ended: Ended, db: Database): Promise<void> {
  for (const secret of secrets) expect(ended.stdout + ended.stderr).not.toContain(secret)
  expect(await tablesHolding(db, secrets)).toEqual([])
}

export async function tablesHolding(db: Database, texts: readonly string[]): Promise<string[]> {
  const { rows } = await db.query<{ schema: string; name: string }>(
    `select schemaname as schema, tablename as name from pg_tables
     where schemaname not in ('pg_catalog', 'information_schema')`,
  )
  const holding: string[] = []
  for (const { schema, name } of rows) {
    const sql = format('select from %I.%I row where row::text like any ($1)', schema, name)
    const { rowCount } = await db.query(sql, [texts.map((text) => `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`)])
    if (rowCount !== 0) holding.push(`${schema}.${name}`)
  }
  return holding.sort()
}

export const STACK = /\n\s+at \S+/

/** Stand-ins of Launch Library, at noon of 2026-05-04, and Discord, with the settings that point to them. */
export async function withStandIns(work: (standIns: StandIns) => Promise<void>): Promise<void> {
  const library = await startLaunchLibrary({ now: () => new Date('2026-05-04T12:00:00Z') })
  const discord = await startDiscord()
  const env = { PIPELINES_DIR: PIPELINES, LAUNCH_LIBRARY_URL: library.url, DISCORD_WEBHOOK_URL: discord.webhookUrl }
  await work({ library, discord, env }).finally(() => Promise.all([library.close(), discord.close()]))
}

interface StandIns {
  library: LaunchLibraryServer
  discord: DiscordServer
  env: Record<string, string>
}

/** An empty list, as Launch Library returns it. */
export const PAGE = JSON.stringify({ count: 0, next: null, previous: null, results: [] })

export async function withApi(answer: Handler, work: (api: HttpServer) => Promise<void>): Promise<void> {
  const api = await startHttpServer(answer)
  await work(api).finally(() => api.close())
}

export function raw(status: number, type: string, body: string): Handler {
  return (_, response) => void response.writeHead(status, { 'content-type': type }).end(body)
}

export const redirect: Handler = (request, response) =>
  void response.writeHead(301, { location: request.url?.replace(/\?.*/, '') }).end()

export const cutShort: Handler = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': PAGE.length })
  response.write(PAGE.slice(0, 20), () => response.destroy())
}
