import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { isOutage, retryDuringOutage } from '../../src/db/outage.ts'
import { openPool } from '../../src/db/pool.ts'
import { useDatabase } from '../support/database.ts'

const database = useDatabase()

test('a read-only server, as after a failover, is retried; a wrong statement is not', async () => {
  const refusals: boolean[] = []
  const client = await database.pool.connect()
  await client.query('create table taken (); set default_transaction_read_only = on')
  const onWait = async (error: Error) => {
    refusals.push(isOutage(error))
    await client.query('set default_transaction_read_only = off')
  }
  await retryDuringOutage(() => client.query('drop table taken'), { onWait })
  const wrong = await client.query('drop table taken').catch((error: Error) => error)
  client.release(true)
  expect([refusals, isOutage(wrong)]).toEqual([[true], false])
})

test('an error of a file is not an outage, but a missing socket is', async () => {
  const missing = await readFile('/nowhere/file').catch((error: Error) => error)
  expect([missing, isOutage(missing)]).toEqual([expect.objectContaining({ code: 'ENOENT' }), false])
  const full = Object.assign(new Error('EAGAIN: resource temporarily unavailable, write'), { code: 'EAGAIN' })
  expect(isOutage(full)).toBe(false)
  const error = await refusal('postgresql:///d?host=/nowhere')
  expect([error, isOutage(error)]).toEqual([expect.objectContaining({ code: 'ENOENT' }), true])
})

/** A server that reacts like this to the first bytes of a client. */
async function withServer(onData: (socket: Socket) => void, work: (port: number) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    socket.once('data', () => onData(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await work((server.address() as AddressInfo).port)
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

async function refusal(connectionString: string, withinMs = 10_000): Promise<unknown> {
  const pool = openPool(connectionString)
  pool.options.connectionTimeoutMillis = withinMs
  const error = await pool.query('select 1').catch((thrown: unknown) => thrown)
  await pool.end()
  return error
}

test('an unknown host is retried, like an unreachable server', async () => {
  const error = await refusal(`postgresql://u:p@${'x'.repeat(64)}/d`)
  expect(error).toMatchObject({ code: 'ENOTFOUND' })
  expect(isOutage(error)).toBe(true)
})

const TLS_YES = Buffer.from('S')
const SERVERS: [string, string, (socket: Socket) => void][] = [
  ['does not answer', '', () => {}],
  ['hangs up', '', (socket) => socket.destroy()],
  [
    'hangs up in the middle of the TLS handshake',
    '?sslmode=no-verify',
    (socket) => void socket.write(TLS_YES, () => socket.destroy()),
  ],
  ['ends in the middle of the TLS handshake', '?sslmode=no-verify', (socket) => void socket.end(TLS_YES)],
  ['does not go on with the TLS handshake', '?sslmode=no-verify', (socket) => void socket.write(TLS_YES)],
  ['cannot take one more client while TLS is asked for', '?sslmode=no-verify', (socket) => void socket.write('E')],
]
test.each(SERVERS)('a server that %s is retried', async (_, search, onData) => {
  await withServer(onData, async (port) => {
    const error = await refusal(`postgresql://u:p@127.0.0.1:${port}/d${search}`, 200)
    expect([isOutage(error), error]).toEqual([true, expect.any(Error)])
  })
})

test('a server without a free connection is retried; a wrong password is not', async () => {
  const role = `crowded_${process.pid}`
  await database.pool.query(`create role ${role} login password 'hunter2hunter2' connection limit 0`)
  const url = new URL(database.connectionString)
  url.username = role
  url.password = 'hunter2hunter2'
  const full = await refusal(url.href)
  url.password = 'wrong'
  const wrong = await refusal(url.href)
  await database.pool.query(`drop role ${role}`)
  expect([isOutage(full), full, isOutage(wrong)]).toEqual([true, expect.objectContaining({ code: '53300' }), false])
})

test('a connection that the server ended is retried, in a transaction or not', async () => {
  const pool = openPool(database.connectionString, { max: 1 })
  const ends: [string, string][] = [
    ['25P03', `begin; set local idle_in_transaction_session_timeout = '10ms'`],
    ['57P05', `set idle_session_timeout = '10ms'`],
  ]
  for (const [code, limit] of ends) {
    const client = await pool.connect()
    const lost = once(client, 'error')
    await client.query(limit)
    const [error] = await lost
    client.release(true)
    expect([error.code, isOutage(error)]).toEqual([code, true])
  }
  const client = await pool.connect()
  const ended = client
    .query('select pg_terminate_backend(pg_backend_pid()), pg_sleep(1)')
    .catch((error: Error) => error)
  client.on('error', () => {})
  expect(isOutage(await ended)).toBe(true)
  client.release(true)
  await pool.end()
})
