import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import type { LoadedDags } from '../load-dags.ts'
import { buildApp } from './app.ts'
import { openSessions } from './auth/sessions.ts'
import { calendarsOn, loadBoards } from './boards.ts'
import { type Door, openDoor } from './door.ts'
import { Live } from './live/live.ts'
import { markReaders } from './live/marks.ts'
import type { Site, WebEnv } from './site.ts'
import { isForThisMachine, refuseStrangers } from './strangers.ts'

export interface WebOptions extends Pick<Site, 'metadata' | 'db' | 'settingsOf' | 'now' | 'scrub' | 'log'> {
  loaded: LoadedDags
  web: { host: string; port: number; trustProxy: boolean }
  /** Where it is open already. */
  door?: Door | undefined
  /** Adds routes that are not pages: health and metrics. They come before everything that asks who is there. */
  mount?: (app: Hono<WebEnv>) => void
}

export interface Web {
  /** Where it is reached: `http://127.0.0.1:8080`. */
  url: string
  /** Open pages are told to come back later; what is being answered is finished, for at most two seconds. */
  close(): Promise<void>
}

const CLOSE_WITHIN_MS = 2_000

/** Listens. Throws UsageError where the port is taken, or where strangers could reach it and there is no user. */
export async function openWeb(options: WebOptions): Promise<Web> {
  const { loaded, web, log, metadata } = options
  const readers = markReaders(metadata)
  const live = new Live({ readers, openSessions: (sessions) => openSessions(metadata, sessions), log })
  const markOf: Site['markOf'] = async (kind, key) => (await readers[kind]?.([key]))?.get(key) ?? ''
  const boards = await loadBoards(loaded.dags.values(), log)
  const loopback = isForThisMachine(web)
  const calendars = calendarsOn(boards)
  const site: Site = { ...options, ...loaded, live, markOf, loopback, trustProxy: web.trustProxy, boards, calendars }
  const app = buildApp(site, boards, options.mount)
  await refuseStrangers(metadata, web)
  const door = options.door ?? openDoor(web)
  const url = await door.url
  const errorHandler = (error: unknown) => answerFailed(error, log)
  door.answerWith(getRequestListener(app.fetch, { overrideGlobalObjects: false, errorHandler }))
  const close = async () => {
    live.close()
    await door.close(CLOSE_WITHIN_MS)
  }
  return { url, close }
}

/** What never reached a page, or was thrown where no page could be drawn. */
function answerFailed(error: unknown, log: WebOptions['log']): Response {
  const isRequest = error instanceof Error && error.name === 'RequestError'
  if (!isRequest) log.error({ err: error }, 'a request failed')
  const [status, text] = isRequest ? [400, 'This is not a request\n'] : [500, 'Something went wrong\n']
  return new Response(text, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } })
}
