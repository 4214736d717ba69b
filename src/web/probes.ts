import type { Server } from 'node:http'
import { isIP } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { listen } from './door.ts'
import type { Health } from './health.ts'
import type { Metrics } from './metrics.ts'

export interface ProbesOptions {
  health: () => Promise<Health>
  /** Undefined where METRICS is off. */
  metrics?: Pick<Metrics, 'contentType' | 'text'> | undefined
}

/** `/health`, `/health/live` and `/metrics`, for what watches over the process: routes to be mounted, without any page. */
export function probes({ health, metrics }: ProbesOptions): Hono {
  const app = new Hono()
  // Asks nothing of the database: where that is away or full, a restart of this process would not help.
  app.get('/health/live', (c) => c.json({ status: 'alive' }, 200, { 'cache-control': 'no-store' }))
  app.get('/health', async (c) => {
    const found = await health()
    return c.json(found, found.status === 'healthy' ? 200 : 503, { 'cache-control': 'no-store' })
  })
  if (metrics)
    app.get('/metrics', async (c) =>
      c.body(await metrics.text(), 200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' }),
    )
  return app
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
    if (isLoopback(host) && !OWN_NAMES.test(c.req.header('host') ?? ''))
      return c.text('This address is served as localhost or 127.0.0.1 only\n', 421)
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return c.text('Only GET\n', 405, { allow: 'GET, HEAD' })
    return await next()
  })
  app.route('/', routes)
  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    serverOptions: SLOWEST,
  }) as Server
  server.maxConnections = 100
  const url = await listen(server, host, port)
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  return { url, close }
}

/** Whoever sends its request more slowly than this does so on purpose. */
const SLOWEST = {
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
}

const OWN_NAMES = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
