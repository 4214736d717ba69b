import type { IncomingMessage, RequestListener, Server } from 'node:http'
import type { Socket } from 'node:net'
import { ipOf, networkKey } from './address.ts'

export interface SocketLimits {
  /** Open at once. */
  most: number
  /** The maximum number of open sockets of one address (IPv6: of one /64 network). */
  ofAddress: number
}

/** Limits for slow requests and idle connections. */
export const TIMEOUTS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
}
/** A socket is closed if its client reads nothing of an answer for this long. */
const STALLED_MS = 120_000

/** This many sockets over the limit get a 503. Further sockets are closed without an answer. */
const MOST_REFUSED = 100
const REFUSED_FOR_MS = 2_000

/**
 * Answers the server's requests and limits open sockets, in total and by address. At the limit, a new socket replaces
 * the oldest socket that is idle or has not sent a complete request. If there is no such socket, the new socket gets a
 * 503.
 */
export function serveWithin(server: Server, { most, ofAddress }: SocketLimits, listener: RequestListener): void {
  const open = new OpenSockets()
  const refused = new Set<Socket>()
  server.setTimeout(STALLED_MS)

  server.on('connection', (socket: Socket) => {
    const address = networkKey(ipOf(socket.remoteAddress) ?? 'unknown')
    const own = open.of(address)
    const isFull = own.size >= ofAddress
    if (isFull || open.size >= most) {
      const idle = isFull ? open.oldestIdle(own) : open.oldestIdleOfBusiest()
      if (idle === undefined) return refuse(refused, socket)
      open.close(idle)
    }
    open.add(address, socket)
  })
  server.on('request', (request, response) => {
    if (refused.has(request.socket)) {
      const headers = { 'retry-after': '5', connection: 'close', 'content-type': 'text/plain; charset=utf-8' }
      response.writeHead(503, headers).end('Too many connections at once; try again in a few seconds\n')
      return
    }
    open.startRequest(request)
    response.once('close', () => open.endRequest(request))
    listener(request, response)
  })
}

function refuse(refused: Set<Socket>, socket: Socket): void {
  if (refused.size >= MOST_REFUSED) {
    socket.destroy()
    return
  }
  refused.add(socket.once('close', () => refused.delete(socket)))
  setTimeout(() => socket.destroy(), REFUSED_FOR_MS).unref()
}

/** Open sockets by address, the oldest first. */
class OpenSockets {
  readonly #byAddress = new Map<string, Set<Socket>>()
  readonly #addresses = new WeakMap<Socket, string>()
  readonly #requests = new WeakMap<Socket, Set<IncomingMessage>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  of(address: string): ReadonlySet<Socket> {
    return this.#byAddress.get(address) ?? new Set()
  }

  add(address: string, socket: Socket): void {
    const own = this.#byAddress.get(address) ?? new Set()
    this.#byAddress.set(address, own.add(socket))
    this.#addresses.set(socket, address)
    this.#size++
    socket.once('close', () => this.#remove(socket))
  }

  /** Removes the socket at once, because its close event may arrive after the next connection. */
  close(socket: Socket): void {
    this.#remove(socket)
    socket.destroy()
  }

  #remove(socket: Socket): void {
    const address = this.#addresses.get(socket)
    const own = this.#byAddress.get(address ?? '')
    if (address === undefined || !own?.delete(socket)) return
    this.#size--
    if (own.size === 0) this.#byAddress.delete(address)
  }

  startRequest(request: IncomingMessage): void {
    const requests = this.#requests.get(request.socket) ?? new Set()
    this.#requests.set(request.socket, requests.add(request))
  }

  endRequest(request: IncomingMessage): void {
    this.#requests.get(request.socket)?.delete(request)
  }

  oldestIdle(sockets: Iterable<Socket>): Socket | undefined {
    for (const socket of sockets) {
      const requests = [...(this.#requests.get(socket) ?? [])]
      if (!requests.some(({ complete }) => complete)) return socket
    }
    return undefined
  }

  oldestIdleOfBusiest(): Socket | undefined {
    const busiest = [...this.#byAddress.values()].sort((a, b) => b.size - a.size)
    return busiest.map((sockets) => this.oldestIdle(sockets)).find((socket) => socket !== undefined)
  }
}
