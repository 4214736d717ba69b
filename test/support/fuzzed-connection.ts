import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import { type Answers, chunks, type Ends, head, LIST, send } from './fuzzed-answer.ts'

const CUT: Ends = ['http_cut_short', 'http_reset', 'http_timeout']

const BOMBS = [
  ['gzip', gzipSync(Buffer.alloc(20_000_000, 32))],
  ['br', brotliCompressSync(Buffer.alloc(5_000_000, 32), { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
] as const

/** Broken and unusual connections. */
export const CONNECTIONS: Answers = {
  'a list': [
    [],
    (socket, { random }) => send(socket, JSON.stringify(LIST), random.pick([{}, { connection: 'close' }])),
  ],
  'a list in pieces': [[], (socket, { random }) => chunks(socket, JSON.stringify(LIST), 1 + random.int(400))],
  'a list compressed': [
    [],
    (socket, { random }) => {
      const [coding, pack] = random.pick([
        ['gzip', gzipSync],
        ['x-gzip', gzipSync],
        ['br', brotliCompressSync],
        ['GZIP', gzipSync],
      ] as const)
      send(socket, pack(JSON.stringify(LIST)), { 'content-encoding': coding })
    },
  ],
  'early hints before a list': [
    [],
    (socket) =>
      socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', () => send(socket, JSON.stringify(LIST))),
  ],
  'a list of nonsense': [
    [],
    (socket, { random }) =>
      send(socket, JSON.stringify({ ...LIST, results: [null, 1, 'x', [], {}, random.next()], more: { deep: [[[]]] } })),
  ],
  'an end before the end': [
    CUT,
    (socket, { random }) => {
      const body = Buffer.from(JSON.stringify(LIST))
      socket.end(
        Buffer.concat([head(200, { 'content-length': body.length }), body.subarray(0, random.int(body.length))]),
      )
    },
  ],
  'an end before the end, in pieces': [
    CUT,
    (socket, { random }) =>
      socket.end(
        Buffer.concat([
          head(200, { 'transfer-encoding': 'chunked' }),
          Buffer.from(random.pick(['', '5\r\n{"a', 'fff\r\n{}\r\n', '2\r\n{}\r\n'])),
        ]),
      ),
  ],
  'JSON cut off, sent as whole': [
    ['http_not_json'],
    (socket, { random }) => send(socket, JSON.stringify(LIST).slice(0, 1 + random.int(2_000))),
  ],
  'a broken connection': [
    CUT,
    (socket, { random }) => {
      if (random.int(2) === 0) return void socket.resetAndDestroy()
      socket.write(
        random.pick([
          'HTTP/1.1 200',
          'HTTP/1.1 200 OK\r\ncontent-type: a',
          'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"',
        ]),
        () => socket.resetAndDestroy(),
      )
    },
  ],
  'an end at once': [CUT, (socket) => void socket.end()],
  silence: [['http_timeout'], () => {}],
  'silence after the headers': [['http_timeout'], (socket) => socket.write(head(200, { 'content-length': 100 }))],
  'a slow drip': [
    ['http_timeout'],
    (socket, { random }) => {
      socket.write(head(200, { 'content-length': 100_000 }))
      const timer = setInterval(() => socket.write(' '), 10 + random.int(40))
      socket.on('close', () => clearInterval(timer))
    },
  ],
  'a drip of headers': [
    ['http_timeout'],
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      const timer = setInterval(() => socket.write('x-a: b\r\n'), 30)
      socket.on('close', () => clearInterval(timer))
    },
  ],
  'compressed wrongly': [
    ['http_encoding', 'http_cut_short'],
    (socket, { random }) => {
      const body = Buffer.from(JSON.stringify(LIST))
      const packed = random.pick([gzipSync, brotliCompressSync])(body)
      const spoilt = random.pick([
        body,
        packed.subarray(0, packed.length >> 1),
        Buffer.concat([packed.subarray(0, 30), body]),
        deflateSync(body),
        Buffer.from([0x1f, 0x8b]),
      ])
      send(socket, spoilt, { 'content-encoding': random.pick(['gzip', 'br']) })
    },
  ],
  'another compression': [
    ['http_encoding'],
    (socket, { random }) =>
      send(socket, '{}', {
        'content-encoding': random.pick(['zstd', 'gzip, br', 'compress', 'deflate', 'x'.repeat(500)]),
      }),
  ],
  'a bomb': [
    ['http_too_large'],
    (socket, { random }) => {
      const [coding, packed] = random.pick(BOMBS)
      send(socket, packed, { 'content-encoding': coding })
    },
  ],
  'more than is taken': [
    ['http_too_large'],
    (socket, { random }) =>
      random.int(2) === 0 ? send(socket, ' '.repeat(600_000)) : chunks(socket, ' '.repeat(600_000), 60_000),
  ],
  'a length that is wrong': [
    ['http_cut_short', 'http_reset', 'http_protocol', 'http_not_json', 'http_timeout', 'http_too_large'],
    (socket, { random }) => {
      const length = random.pick([0, 1, 10, 999_999, -1, 'many', '0x10', '99999999999999999999', '10, 11'])
      socket.end(Buffer.concat([head(200, { 'content-length': length }), Buffer.from(JSON.stringify(LIST))]))
    },
  ],
  'no web server': [
    ['http_protocol', 'http_cut_short', 'http_reset', 'http_timeout'],
    (socket, { random }) =>
      void socket.end(
        random.pick([
          'SSH-2.0-OpenSSH_9.6\r\n',
          '220 mail ESMTP\r\n',
          '\0\0\0\0',
          'HTTP/9.9 200 OK\r\n\r\n',
          'HTTP/1.1 OK\r\n\r\n',
          'HTTP/1.1 200 OK\r\nno colon\r\n\r\n',
          '{"results":[]}',
          '\x15\x03\x01\x00\x02\x02\x16',
        ]),
      ),
  ],
  'headers without end': [
    ['http_protocol', 'http_reset', 'http_cut_short'],
    (socket) => void socket.end(`HTTP/1.1 200 OK\r\n${`x-y: ${'z'.repeat(1_000)}\r\n`.repeat(100)}\r\n{}`),
  ],
  'an upgrade': [
    ['http_protocol', 'http_reset', 'http_cut_short', 'http_failed'],
    (socket) =>
      void socket.end('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n'),
  ],
}
