import { chown, copyFile, readFile, stat, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EmbeddedServer, openEmbedded } from '../../src/db/embedded/embedded.ts'
import { runCli } from '../support/cli.ts'
import { ask } from '../support/embedded.ts'
import { removeFolder, scratchFolder } from '../support/scratch.ts'

/** Self-signed, only for 127.0.0.1, valid for a hundred years. */
const TLS = fileURLToPath(new URL('../fixtures/tls/', import.meta.url))
const AUTHORITY = join(TLS, 'server.crt')

let dataDir: string
let server: EmbeddedServer
let port: number
let password: string

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const found = (probe.address() as AddressInfo).port
  await new Promise((closed) => probe.close(closed))
  return found
}

/** A server on 127.0.0.1 that offers TLS; its key belongs to its user. */
beforeAll(async () => {
  dataDir = await scratchFolder()
  const first = await openEmbedded({ dataDir, create: true, settings: { fsync: 'off' } })
  const data = join(first.folder, 'data')
  await first.release()
  const { uid, gid } = await stat(data)
  for (const name of ['server.crt', 'server.key']) {
    await writeFile(join(data, name), await readFile(join(TLS, name)), { mode: 0o600 })
    await chown(join(data, name), uid, gid)
  }
  port = await freePort()
  const settings = { fsync: 'off', ssl: 'on', listen_addresses: '127.0.0.1', port: String(port) }
  server = await openEmbedded({ dataDir, create: false, settings })
  password = new URL(server.connectionString).password
})
afterAll(async () => {
  await server.release()
  await removeFolder(dataDir)
})

const runOver = async (query: string, host = '127.0.0.1') => {
  const DATABASE_URL = `postgresql://tminus:${password}@${host}:${port}/tminus${query}`
  const { code, stdout, stderr } = await runCli(['pipeline', 'chain'], { env: { DATABASE_URL } })
  expect(stdout + stderr).not.toContain(password)
  return { code, stderr }
}

test.each([
  ['?sslmode=no-verify'],
  [`?sslmode=verify-full&sslrootcert=${AUTHORITY}`],
  [`?sslmode=require&sslrootcert=${AUTHORITY}`],
  ['?sslmode=require&uselibpqcompat=true'],
  ['?sslmode=disable'],
  [''],
])('a run over %s succeeds, without output on standard error', async (query) => {
  expect(await runOver(query)).toEqual({ code: 0, stderr: '' })
})

test('a connection with no-verify is encrypted', async () => {
  const url = `postgresql://tminus:${password}@127.0.0.1:${port}/tminus?sslmode=no-verify`
  expect(await ask(url, 'select ssl from pg_stat_ssl where pid = pg_backend_pid()')).toBe(true)
})

test.each(['require', 'prefer', 'verify-ca', 'verify-full'])(
  'a self-signed certificate with sslmode=%s',
  async (mode) => {
    expect(await runOver(`?sslmode=${mode}`)).toEqual({
      code: 2,
      stderr: `✖ DATABASE_URL: the certificate of the server at 127.0.0.1:${port} is self-signed or issued by an unknown authority; add sslrootcert=FILE, with the certificate of that authority, to the address (sslmode=no-verify encrypts without checking the certificate)\n`,
    })
  },
)

test('a certificate for another host', async () => {
  expect(await runOver(`?sslmode=verify-full&sslrootcert=${AUTHORITY}`, 'localhost')).toEqual({
    code: 2,
    stderr: `✖ DATABASE_URL: the certificate of the server at localhost:${port} is valid for IP Address:127.0.0.1, not for "localhost"; connect by a name that it is valid for (sslmode=no-verify encrypts without checking the certificate)\n`,
  })
})

test("an authority file that is no certificate, is missing, or is 'system'", async () => {
  const none = join(dataDir, 'none.pem')
  await copyFile(fileURLToPath(import.meta.url), none)
  for (const [file, says] of [
    [none, /^✖ DATABASE_URL: .*(name PEM files|is self-signed or issued by)/],
    [
      `${none}.gone`,
      /^✖ DATABASE_URL: the address cannot be used: ENOENT.*; correct sslrootcert, sslcert or sslkey\n$/,
    ],
    ['system', /; remove sslrootcert=system, because Node has the well-known authorities\n$/],
  ] as const) {
    const { code, stderr } = await runOver(`?sslmode=verify-full&sslrootcert=${file}`)
    expect(stderr).toMatch(says)
    expect(code).toBe(2)
  }
})

test('a server that admits no user without TLS', async () => {
  const configuration = join(server.folder, 'data', 'pg_hba.conf')
  const right = await readFile(configuration, 'utf8')
  await writeFile(configuration, right.replaceAll(/^host\b/gm, 'hostssl'))
  await ask(server.connectionString, 'select pg_reload_conf()')
  const refused = await runOver('')
  expect([refused.code, refused.stderr]).toEqual([
    2,
    expect.stringMatching(/ does not admit user "tminus" to database "tminus" without TLS; add sslmode=require/),
  ])
  await writeFile(configuration, right)
  await ask(server.connectionString, 'select pg_reload_conf()')
})
