import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'

/** A server on a free port of 127.0.0.1. */
export interface Loopback {
  /** `http://127.0.0.1:PORT` */
  origin: string
  /** Stops at once and breaks open connections. Safe to call twice. */
  close(): Promise<void>
}

/** A received request, stored for tests. If a query parameter occurs twice, the last value counts. */
export interface SeenRequest {
  method: string
  path: string
  query: Record<string, string>
  headers: IncomingMessage['headers']
}

/** Opens a loopback server. An error in `answer` breaks only the connection of that request. */
export async function openLoopback(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<Loopback> {
  const server = createServer((request, response) => {
    answer(request, response).catch((error: Error) => response.destroy(error))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
    return closed
  }
  return { origin: `http://127.0.0.1:${port}`, close }
}

export function seen(request: IncomingMessage): SeenRequest {
  const url = new URL(request.url ?? '/', 'http://loopback')
  return {
    method: request.method ?? 'GET',
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: request.headers,
  }
}

export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

/** Answers with JSON, compressed if the request accepts gzip. */
export function sendJson(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const text = Buffer.from(JSON.stringify(body))
  const zipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))
  const bytes = zipped ? gzipSync(text) : text
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    ...(zipped && { 'content-encoding': 'gzip', vary: 'accept-encoding' }),
    ...headers,
  })
  response.end(bytes)
}
