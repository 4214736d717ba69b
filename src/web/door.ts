import { createServer, type RequestListener, type Server } from 'node:http'
import { isIP } from 'node:net'
import { UsageError } from '../errors.ts'
import { serveWithin, TIMEOUTS } from './sockets.ts'

/** A port that is open before there is anything behind it: who comes early waits. */
export interface Door {
  /** Where it is reached, `http://127.0.0.1:8080`. Rejects with UsageError, saying what to set, where it cannot listen. */
  url: Promise<string>
  /** By whom requests are answered, those that wait first. */
  answerWith(listener: RequestListener): void
  /** What is being answered is finished, for at most so long; what still waits is hung up on. */
  close(withinMs?: number): Promise<void>
}

interface DoorOptions {
  host: string
  port: number
  /** Requests come through a proxy alone. */
  trustProxy?: boolean
}

/** Listens. It imports nothing of the page, so that a process can do this before it loads the rest. */
export function openDoor({ host, port, trustProxy = false }: DoorOptions): Door {
  let answerWith: Door['answerWith'] = () => {}
  const answering = new Promise<RequestListener>((resolve) => {
    answerWith = resolve
  })
  const server = createServer(TIMEOUTS)
  // Every socket is the proxy's where there is one: it divides them among its own clients.
  const limits = { most: MOST_SOCKETS, ofAddress: trustProxy ? MOST_SOCKETS : MOST_OF_ADDRESS }
  serveWithin(server, limits, async (request, response) => {
    const answer = await answering
    // Nobody would tell a stream that its reader is gone already.
    if (!response.destroyed) answer(request, response)
  })
  const url = listen(server, host, port)
  // Told to whoever asks for the address, however late that is.
  url.catch(() => {})
  const close = async (withinMs = 0) => {
    await url.catch(() => {})
    const closed = new Promise((resolve) => server.close(resolve))
    // A connection is idle only once its answer, a stream that was just ended perhaps, is out.
    const idle = setInterval(() => server.closeIdleConnections(), 20)
    const late = setTimeout(() => server.closeAllConnections(), withinMs)
    await closed
    clearInterval(idle)
    clearTimeout(late)
  }
  return { url, answerWith, close }
}

/** Returns where it is reached. Throws UsageError, saying what to set, where it cannot listen. */
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
/** Many people may share one address; a browser opens six for each. */
const MOST_OF_ADDRESS = 500

export const PORT_TAKEN = 'port_taken'

function cannotListen(cause: NodeJS.ErrnoException, host: string, port: number): UsageError {
  const says: Readonly<Record<string, string>> = {
    EADDRINUSE: `Port ${port} is taken by another process; end that one or set WEB_PORT (0 is any free port)`,
    EACCES: `Port ${port} is not ours to open; set WEB_PORT to one from 1024`,
    EADDRNOTAVAIL: `This machine has no address ${host}; set WEB_HOST to one it has`,
    ENOTFOUND: `WEB_HOST ${host} is unknown; set it to an address of this machine`,
  }
  const message = says[cause.code ?? ''] ?? `${host}:${port} cannot be opened: ${cause.message}`
  return new UsageError(message, { cause, ...(cause.code === 'EADDRINUSE' && { code: PORT_TAKEN }) })
}
