import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { listen } from './door.ts'
import type { Health } from './health.ts'
import { isLoopback, isOwnName } from './host.ts'
import type { Metrics } from './metrics.ts'
import { serveWithin, TIMEOUTS } from './sockets.ts'

export interface ProbesOptions {
  health: () => Promise<Health>
  /** Undefined where METRICS is off. */
  metrics?: Pick<Metrics, 'contentType' | 'text'> | undefined
}

/** `/health`, `/health/live` and `/metrics`, for what watches over the process: routes to be mounted, without any page. */
export function probes({ health, metrics }: ProbesOptions): Hono {
  const app = new Hono()
  const text = metrics && shared(() => metrics.text())
  // Asks nothing of the database: where that is away or full, a restart of this process would not help.
  app.get('/health/live', (c) => c.json({ status: 'alive' }, 200, { 'cache-control': 'no-store' }))
  app.get('/health', async (c) => {
    const found = await health()
    return c.json(found, found.status === 'healthy' ? 200 : 503, { 'cache-control': 'no-store' })
  })
  if (metrics && text)
    app.get('/metrics', async (c) =>
      c.body(await text(), 200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' }),
    )
  return app
}

/** Works once for all who ask while it is at it. */
function shared<T>(work: () => Promise<T>): () => Promise<T> {
  let working: Promise<T> | undefined
  return () => {
    working ??= work().finally(() => {
      working = undefined
    })
    return working
  }
}

export interface Probes {
  /** `http://127.0.0.1:8080` */
  url: string
  close(): Promise<void>
}

/** Serves these alone. Throws UsageError where it cannot listen. */
export async function openProbes(routes: Hono, { host, port }: { host: string; port: number }): Promise<Probes> {
  const app = new Hono()
  app.use(async (c, next) => {
    // A page elsewhere can have its name lead here (DNS rebinding); its requests carry that name.
    if (isLoopback(host) && !isOwnName(c.req.header('host') ?? ''))
      return c.text('This address is served as localhost or 127.0.0.1 only\n', 421)
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return c.text('Only GET\n', 405, { allow: 'GET, HEAD' })
    return await next()
  })
  app.route('/', routes)
  const server = createServer(TIMEOUTS)
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false, errorHandler: refuseQuietly })
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

/** A request that is none, by a broken Host header for one, is 400. */
function refuseQuietly(error: unknown): Response {
  return new Response(null, { status: error instanceof Error && error.name === 'RequestError' ? 400 : 500 })
}
