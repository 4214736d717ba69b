import type { Socket } from 'node:net'
import { launches230 } from './launches.ts'
import type { Random } from './random.ts'

export interface Asked {
  /** `http://127.0.0.1:PORT` */
  origin: string
  /** The requested path and query. */
  target: string
  /** The number of the request within its case: 0, 1, … */
  time: number
  /** The client's key: a hostile server repeats it. */
  token: string
  random: Random
}

/** Answers over the bare socket. A function that leaves it open never answers. */
export type Answer = (socket: Socket, asked: Asked) => void

/** Codes of the errors it may end with; empty if the list must be read. */
export type Ends = readonly string[]

export type Answers = Record<string, readonly [Ends, Answer]>

export const LIST = { count: 2, next: null, previous: null, results: launches230(2) }

export function head(status: number, headers: Record<string, string | number>): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`HTTP/1.1 ${status} What\r\n${lines.join('')}\r\n`)
}

export function send(socket: Socket, body: string | Buffer, headers: Record<string, string> = {}, status = 200): void {
  const bytes = Buffer.from(body as string)
  socket.write(
    Buffer.concat([
      head(status, { 'content-type': 'application/json', 'content-length': bytes.length, ...headers }),
      bytes,
    ]),
  )
}

export function chunks(socket: Socket, body: string, size: number): void {
  socket.write(head(200, { 'transfer-encoding': 'chunked' }))
  for (let start = 0; start < body.length; start += size) {
    const piece = Buffer.from(body.slice(start, start + size))
    socket.write(Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]))
  }
  socket.write('0\r\n\r\n')
}
