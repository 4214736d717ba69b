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
import { isForThisMachine, requireUser } from './strangers.ts'

export interface WebOptions
  extends Pick<Site, 'metadata' | 'db' | 'settingsOf' | 'now' | 'scrub' | 'log' | 'codeNotice'> {
  loaded: LoadedDags
  web: { host: string; port: number; trustProxy: boolean }
  /** The open port (see `door.ts`). If it is missing, the server opens the port itself. */
  door?: Door | undefined
  /** Returns the port of the process before this one, when that has closed it. Called when everything else is ready. */
  portBefore?: (() => Promise<number | undefined> | undefined) | undefined
  /** Adds routes that need no sign-in: health and metrics. */
  mount?: (app: Hono<WebEnv>) => void
}

export interface Web {
  /** Its address: `http://127.0.0.1:8080`. */
  url: string
  /** Ends live streams, which reconnect later, and finishes answers for at most two seconds. */
  close(): Promise<void>
}

const CLOSE_WITHIN_MS = 2_000

/** Serves the pages. Throws UsageError if the port is taken, or if other machines can reach it and there is no user. */
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
  await requireUser(metadata, web)
  const door = options.door ?? openDoor({ ...web, port: (await options.portBefore?.()) ?? web.port })
  const url = await door.url
  const errorHandler = (error: unknown) => answerError(error, log)
  door.answerWith(getRequestListener(app.fetch, { overrideGlobalObjects: false, errorHandler }))
  const close = async () => {
    live.close()
    await door.close(CLOSE_WITHIN_MS)
  }
  return { url, close }
}

/** Answers a request that reached no page, or an error that no page could show. */
function answerError(error: unknown, log: WebOptions['log']): Response {
  const isRequest = error instanceof Error && error.name === 'RequestError'
  if (!isRequest) log.error({ err: error }, 'a request failed')
  const [status, text] = isRequest ? [400, 'Invalid request\n'] : [500, 'Something went wrong\n']
  return new Response(text, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } })
}
