import { createServer, type RequestListener, type Server } from 'node:http'
import { isIP } from 'node:net'
import { UsageError } from '../errors.ts'
import { serveWithin, TIMEOUTS } from './sockets.ts'

/** An HTTP port that is already open while the pages are still loading. Early requests wait. */
export interface Door {
  /** Its address, `http://127.0.0.1:8080`. Rejects with a UsageError that names the setting if it cannot listen. */
  url: Promise<string>
  /** Sets the listener that answers requests. Waiting requests are answered first. */
  answerWith(listener: RequestListener): void
  /** Finishes answers for at most `withinMs`, then closes all connections. */
  close(withinMs?: number): Promise<void>
}

interface DoorOptions {
  host: string
  port: number
  /** True if all requests come through a proxy. */
  trustProxy?: boolean
}

/** Opens the port. This file imports no page, so a process can listen before it loads the pages. */
export function openDoor({ host, port, trustProxy = false }: DoorOptions): Door {
  let answerWith: Door['answerWith'] = () => {}
  const answering = new Promise<RequestListener>((resolve) => {
    answerWith = resolve
  })
  const server = createServer(TIMEOUTS)
  // Behind a proxy every socket has the proxy's address, so one address may use all sockets.
  const limits = { most: MOST_SOCKETS, ofAddress: trustProxy ? MOST_SOCKETS : MOST_OF_ADDRESS }
  serveWithin(server, limits, async (request, response) => {
    const answer = await answering
    // The client may have closed the connection while its request waited.
    if (!response.destroyed) answer(request, response)
  })
  const url = listen(server, host, port)
  // Callers that await `url` later still get this rejection.
  url.catch(() => {})
  const close = async (withinMs = 0) => {
    await url.catch(() => {})
    const closed = new Promise((resolve) => server.close(resolve))
    // A connection becomes idle only after its answer is sent, so this repeats until all connections are closed.
    const idle = setInterval(() => server.closeIdleConnections(), 20)
    const late = setTimeout(() => server.closeAllConnections(), withinMs)
    await closed
    clearInterval(idle)
    clearTimeout(late)
  }
  return { url, answerWith, close }
}

/** Returns the server's address. Throws a UsageError that names the setting if it cannot listen. */
export async function listen(server: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(cannotListen(cause, host, port)))
    server.listen(port, host, resolve)
  })
  const address = server.address()
  const open = typeof address === 'object' && address !== null ? address.port : port
  return `http://${isIP(host) === 6 ? `[${host}]` : host}:${open}`
}

const MOST_SOCKETS = 2_000
/** Many people may share one address, and each browser opens up to six sockets. */
const MOST_OF_ADDRESS = 500

export const PORT_TAKEN = 'port_taken'

function cannotListen(cause: NodeJS.ErrnoException, host: string, port: number): UsageError {
  const says: Readonly<Record<string, string>> = {
    EADDRINUSE: `Port ${port} is used by another process; stop that process or set WEB_PORT (0 picks any free port)`,
    EACCES: `Port ${port} needs more rights than this process has; set WEB_PORT to 1024 or higher`,
    EADDRNOTAVAIL: `This machine has no address ${host}; set WEB_HOST to one of its addresses`,
    ENOTFOUND: `WEB_HOST ${host} cannot be resolved; set it to an address of this machine`,
  }
  const message = says[cause.code ?? ''] ?? `${host}:${port} cannot be opened: ${cause.message}`
  return new UsageError(message, { cause, ...(cause.code === 'EADDRINUSE' && { code: PORT_TAKEN }) })
}
