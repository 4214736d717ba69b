import { join } from 'node:path'
import { vi } from 'vitest'
import { migrateMetadata } from '../../src/maintenance/schema.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { createUser } from '../../src/web/auth/users.ts'
import type { Role } from '../../src/web/site.ts'
import { PIPELINES, type Running, startCli } from '../support/cli.ts'
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts'
import { WITHIN } from '../support/within.ts'

export const PASSWORD = 'correct horse battery'

/** A real process with its own database. */
export interface StartedSite {
  url: string
  database: TestDatabase
  running: Running
  pipelinesDir: string
  addUser(name: string, role: Role): Promise<void>
  /** The cookie of a new session. */
  login(name: string): Promise<string>
  get(path: string, init?: RequestInit): Promise<{ status: number; text: string; headers: Headers }>
  close(): Promise<void>
}

/** `npm start` with the web fixtures, or `npm run web` (which executes nothing) with the shipped pipelines. */
export async function startSite(verb: 'start' | 'web' = 'start'): Promise<StartedSite> {
  const database = await createEmptyDatabase()
  const env = {
    DATABASE_URL: database.connectionString,
    PIPELINES_DIR: join(PIPELINES, verb === 'start' ? '../web-pipelines' : '../../../pipelines'),
    METRICS: 'on',
    LOG_LEVEL: 'debug',
  }
  if (verb === 'web') await migrateMetadata(database.pool, 'metadata')
  const running = startCli([verb], { env })
  const url = await addressOf(running)
  const metadata = openMetadata(database.pool, 'metadata')
  const get: StartedSite['get'] = async (path, init) => {
    const answer = await fetch(url + path, { redirect: 'manual', ...init })
    return { status: answer.status, text: await answer.text(), headers: answer.headers }
  }
  return {
    url,
    database,
    running,
    pipelinesDir: env.PIPELINES_DIR,
    get,
    addUser: (name, role) => createUser(metadata, name, role, PASSWORD),
    login: async (name) => {
      const { headers } = await get('/login', form({ name, password: PASSWORD }))
      return headers.get('set-cookie')?.split(';')[0] ?? ''
    },
    close: async () => {
      running.process.kill('SIGTERM')
      await running.ended
      await database.drop()
    },
  }
}

/** Waits for the process to log the page's address. */
export async function addressOf(running: Running): Promise<string> {
  return await vi.waitFor(() => {
    const [, found] = /the page is at (http:[^"]+)"/.exec(running.stdout()) ?? []
    if (found === undefined) throw new Error(`not up: ${running.stdout()}`)
    return found
  }, WITHIN)
}

export function form(fields: Record<string, string>, headers: Record<string, string> = {}): RequestInit {
  return { method: 'POST', body: new URLSearchParams(fields), headers }
}

export function json(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } }
}
