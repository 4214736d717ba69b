import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { checkConnection } from '../../src/db/connect.ts'
import { openPool } from '../../src/db/pool.ts'
import { TminusError, UsageError } from '../../src/errors.ts'
import { createEmptyDatabase, useDatabase } from '../support/database.ts'

const database = useDatabase(createEmptyDatabase)

/** The address of the test's database with changes. */
function changed(change: (url: URL) => void): string {
  const url = new URL(database.connectionString)
  change(url)
  return url.href
}

/** Where the test's server listens: a socket folder and a number. */
function place(): string {
  const url = new URL(database.connectionString)
  return `${url.searchParams.get('host')}:${url.port}`
}

async function problem(connectionString: string, answerWithinMs = 10_000): Promise<TminusError> {
  const pool = openPool(connectionString)
  pool.options.connectionTimeoutMillis = answerWithinMs
  const error = await checkConnection(pool, 'METADATA_DATABASE_URL').catch((thrown: unknown) => thrown)
  await pool.end()
  if (!(error instanceof TminusError)) throw new Error(`a TminusError was expected, not ${error}`)
  expect(error.cause).toBeInstanceOf(Error)
  expect(error.message).not.toContain('\n')
  return error
}

async function expectWrong(connectionString: string, sentence: string): Promise<void> {
  const error = await problem(connectionString)
  expect(error.message).toBe(`METADATA_DATABASE_URL: ${sentence}`)
  expect(error).toBeInstanceOf(UsageError)
  expect(error).toMatchObject({ code: 'database_address', retryable: false })
}

async function expectUnreachable(connectionString: string, sentence: string, ms?: number): Promise<void> {
  const error = await problem(connectionString, ms)
  expect(error.message).toBe(`METADATA_DATABASE_URL: ${sentence}`)
  expect(error).not.toBeInstanceOf(UsageError)
  expect(error).toMatchObject({ code: 'database_unreachable', retryable: true })
}

/** The port of a server on 127.0.0.1 that does this with each connection. */
async function withServer(onSocket: (socket: Socket) => void, work: (port: number) => Promise<void>) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    onSocket(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await work((server.address() as AddressInfo).port)
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

async function closedPort(): Promise<number> {
  let closed = 0
  await withServer(
    () => {},
    async (port) => {
      closed = port
    },
  )
  return closed
}

test('a database that answers is accepted', async () => {
  await checkConnection(database.pool, 'DATABASE_URL')
})

test('a wrong password', async () => {
  const url = changed((address) => {
    address.password = 'hunter2hunter2'
  })
  await expectWrong(
    url,
    `the server at ${place()} rejected the password of user "tminus"; check user and password, and whether it has expired`,
  )
})

test('an unknown user gets the same answer as a wrong password', async () => {
  const url = changed((address) => {
    address.username = 'nobody-here'
  })
  await expectWrong(
    url,
    `the server at ${place()} rejected the password of user "nobody-here"; check user and password, and whether it has expired`,
  )
})

const ASKED = 'requires a password and the address has none; write postgresql://USER:PASSWORD@…'

test('no password', async () => {
  const url = changed((address) => {
    address.password = ''
  })
  await expectWrong(url, `the server at ${place()} ${ASKED}`)
})

test('without a password the connection closes at once, not a minute later by the server', async () => {
  const url = new URL(database.connectionString)
  const path = `${url.searchParams.get('host')}/.s.PGSQL.${url.port}`
  const closed: Promise<unknown>[] = []
  await withServer(
    (socket) => {
      closed.push(once(socket, 'close'))
      socket.pipe(createConnection({ path })).pipe(socket)
    },
    async (port) => {
      const error = await problem(`postgresql://tminus@127.0.0.1:${port}/postgres`)
      expect(error.message).toContain(ASKED)
      await Promise.all(closed)
      expect(closed).toHaveLength(1)
    },
  )
})

test('an empty password', async () => {
  const url = database.connectionString.replace(/:[^:@/]+@/, ':@')
  expect(url).toContain('tminus:@')
  await expectWrong(url, `the server at ${place()} ${ASKED}`)
})

test('a database that does not exist', async () => {
  const url = changed((address) => {
    address.pathname = '/no_such'
  })
  await expectWrong(
    url,
    `database "no_such" does not exist at ${place()}; create it (createdb no_such) or name another`,
  )
})

test('a user who may not connect', async () => {
  await database.pool.query(`create role closed_out nologin password 'hunter2hunter2'`)
  const url = changed((address) => {
    address.username = 'closed_out'
    address.password = 'hunter2hunter2'
  })
  await expectWrong(url, `user "closed_out" may not log in at ${place()}; ALTER ROLE closed_out LOGIN, or name another`)
  await database.pool.query('drop role closed_out')
})

test('an unknown host', async () => {
  // Names may not be this long, so no name server is queried.
  const host = 'x'.repeat(64)
  await expectWrong(`postgresql://u:hunter2@${host}/d`, `host "${host}" is unknown; check the spelling`)
})

test('an address that names a missing file', async () => {
  await expectWrong(
    'postgresql://u:hunter2@h/d?sslrootcert=/no/such.pem',
    "the address cannot be used: ENOENT: no such file or directory, open '/no/such.pem'; correct sslrootcert, sslcert or sslkey",
  )
})

test('a port without a listener', async () => {
  const port = await closedPort()
  const sentence = 'start Postgres there or check host and port'
  await expectUnreachable(
    `postgresql://u:hunter2@127.0.0.1:${port}/d`,
    `nothing listens at 127.0.0.1:${port}; ${sentence}`,
  )
  // The name has two addresses, so there are two errors.
  await expectUnreachable(
    `postgresql://u:hunter2@localhost:${port}/d`,
    `nothing listens at localhost:${port}; ${sentence}`,
  )
})

test('a missing socket', async () => {
  await expectUnreachable(
    'postgresql://u:hunter2@/d?host=%2Fno%2Fsuch',
    'nothing listens at /no/such:5432; start Postgres there or check host and port',
  )
})

test('a server that does not answer', async () => {
  await withServer(
    () => {},
    async (port) => {
      await expectUnreachable(
        `postgresql://u:hunter2@127.0.0.1:${port}/d`,
        `no answer from 127.0.0.1:${port} within 10 s; check host, port and firewall`,
        50,
      )
    },
  )
})

test('a server that closes the connection', async () => {
  await withServer(
    (socket) => socket.destroy(),
    async (port) => {
      await expectUnreachable(
        `postgresql://u:hunter2@127.0.0.1:${port}/d`,
        `the server at 127.0.0.1:${port} closed the connection; check that it is Postgres, and read its log`,
      )
    },
  )
})

test('a web server, with and without TLS', async () => {
  const server = createHttpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  for (const mode of ['', '?sslmode=require']) {
    const { message, code } = await problem(`postgresql://u:hunter2@127.0.0.1:${port}/d${mode}`)
    expect([code, message]).toEqual([
      'database_unreachable',
      expect.stringMatching(/(closed the connection|failed the TLS handshake).*check .*(Postgres|host and port)/),
    ])
  }
  await new Promise((closed) => server.close(closed))
})

test('a server without TLS', async () => {
  await withServer(
    (socket) => void socket.once('data', () => socket.write('N')),
    async (port) => {
      await expectWrong(
        `postgresql://u:hunter2@127.0.0.1:${port}/d?sslmode=verify-full`,
        `the server at 127.0.0.1:${port} does not offer TLS; set ssl = on in its configuration, or, if you trust the network, sslmode=disable in the address`,
      )
    },
  )
})

test('a server of another protocol that sends first', async () => {
  await withServer(
    (socket) => void socket.write('J\0\0\0\n5.7.44\0'),
    async (port) => {
      const { message } = await problem(`postgresql://u:hunter2@127.0.0.1:${port}/d`)
      expect(message).toMatch(/does not speak Postgres' protocol \(.*\); check host and port$/)
    },
  )
})

/** A server that answers with an error of this code and text, then closes the connection. */
function refusing(code: string, words: string): (socket: Socket) => void {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${words}\0\0`)
  const head = Buffer.from([0x45, 0, 0, 0, 0])
  head.writeInt32BE(fields.length + 4, 1)
  return (socket) => void socket.once('data', () => socket.end(Buffer.concat([head, fields])))
}

test.each([
  ['57P03', 'the database system is starting up', 'does not accept connections now (', 'try again in a moment'],
  ['57P03', 'the database system is in recovery mode', 'does not accept connections now (', 'try again in a moment'],
  ['57P03', 'the database system is shutting down', 'does not accept connections now (', 'try again in a moment'],
  ['53300', 'sorry, too many clients already', 'has no free connection (sorry,', 'raise max_connections'],
])('a server that rejects temporarily: %s %s', async (code, words, says, advises) => {
  await withServer(refusing(code, words), async (port) => {
    const error = await problem(`postgresql://u:hunter2@127.0.0.1:${port}/d`)
    expect(error).toMatchObject({ code: 'database_unreachable', retryable: true })
    expect(error.message).toContain(`${says}`)
    expect(error.message).toContain(advises)
  })
})

test.each([
  [
    '28000',
    'no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", SSL encryption',
    'has no line for user "u"',
    'add one and reload it',
  ],
  [
    '28000',
    'no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", no encryption',
    'without TLS',
    'add sslmode=require',
  ],
  ['28000', 'connection requires a valid client certificate', 'requires a client certificate', 'sslcert=FILE'],
  ['28000', 'role "u" does not exist', 'user "u" does not exist', 'createuser --pwprompt u'],
  [
    '28000',
    'Peer authentication failed for user "u"',
    "only to the operating system's user",
    'connect by host and password',
  ],
  [
    '55000',
    'database "d" is not currently accepting connections',
    'not currently accepting',
    'ALTER DATABASE d ALLOW_CONNECTIONS true',
  ],
  ['08P01', 'no such database: d', 'the pooler at', "add it to the pooler's settings"],
])('a server that rejects the address: %s %s', async (code, words, says, advises) => {
  await withServer(refusing(code, words), async (port) => {
    const error = await problem(`postgresql://u:hunter2@127.0.0.1:${port}/d`)
    expect(error).toMatchObject({ code: 'database_address', retryable: false })
    expect(error.message).toContain(says)
    expect(error.message).toContain(advises)
  })
})

test('no message contains the password', async () => {
  const port = await closedPort()
  const secret = 'hun%40ter2'
  for (const place of [`127.0.0.1:${port}`, 'x'.repeat(64), '']) {
    const error = await problem(`postgresql://u:${secret}@${place}/d?host=${place === '' ? '%2Fno' : ''}`)
    expect(error.message).not.toMatch(/hun(%40|@)ter2/)
  }
})
