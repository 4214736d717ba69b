import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { listen } from './door.ts'
import { type Health, shared } from './health.ts'
import { isLoopback, isOwnName } from './host.ts'
import type { Metrics } from './metrics.ts'
import { serveWithin, TIMEOUTS } from './sockets.ts'

export interface ProbesOptions {
  health: () => Promise<Health>
  /** Undefined if METRICS is off. */
  metrics?: Pick<Metrics, 'contentType' | 'text'> | undefined
}

/** The routes `/health`, `/health/live` and `/metrics`, for monitoring. */
export function probes({ health, metrics }: ProbesOptions): Hono {
  const app = new Hono()
  const text = metrics && shared(() => metrics.text())
  // Does not query the database, because a restart of this process would not repair the database.
  app.get('/health/live', (c) => c.json({ status: 'alive' }, 200, { 'cache-control': 'no-store' }))
  app.get('/health', async (c) => {
    const result = await health()
    return c.json(result, result.status === 'healthy' ? 200 : 503, { 'cache-control': 'no-store' })
  })
  if (metrics && text)
    app.get('/metrics', async (c) =>
      c.body(await text(), 200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' }),
    )
  return app
}

export interface Probes {
  /** `http://127.0.0.1:8080` */
  url: string
  close(): Promise<void>
}

/** Serves only these routes. Throws UsageError if it cannot listen. */
export async function openProbes(routes: Hono, { host, port }: { host: string; port: number }): Promise<Probes> {
  const app = new Hono()
  app.use(async (c, next) => {
    // Another site can point its name to this machine (DNS rebinding). Such requests have that name in `Host`.
    if (isLoopback(host) && !isOwnName(c.req.header('host') ?? ''))
      return c.text('Use localhost or 127.0.0.1 as the address\n', 421)
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return c.text('Use GET\n', 405, { allow: 'GET, HEAD' })
    return await next()
  })
  app.route('/', routes)
  const server = createServer(TIMEOUTS)
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false, errorHandler: answerError })
  serveWithin(server, { most: MOST_SOCKETS, ofAddress: MOST_OF_ADDRESS }, listener)
  const url = await listen(server, host, port)
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  return { url, close }
}

const MOST_SOCKETS = 100
const MOST_OF_ADDRESS = 50

/** 400 for an invalid request, such as one with a broken Host header. */
function answerError(error: unknown): Response {
  return new Response(null, { status: error instanceof Error && error.name === 'RequestError' ? 400 : 500 })
}
