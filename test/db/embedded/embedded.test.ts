import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { appendFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { openEmbedded } from '../../../src/db/embedded/embedded.ts'
import { ask, openElsewhere } from '../../support/embedded.ts'
import { serverPid, withFolder } from '../../support/scratch.ts'

const UNSAFE = { fsync: 'off' }
const linux = process.platform === 'linux'

test.concurrent('the first start initialises a server and creates the database', async () => {
  await withFolder(async (dataDir) => {
    const server = await openEmbedded({ dataDir, create: true, database: 'launches', settings: UNSAFE })
    expect(server.folder).toBe(join(dataDir, 'postgres'))
    expect(await ask(server.connectionString, 'select current_database()')).toBe('launches')
    expect(await ask(server.connectionString, 'show server_version')).toMatch(/^17\./)
    expect(await ask(server.connectionString, 'show server_encoding')).toBe('UTF8')
    expect(await ask(server.connectionString, 'show timezone')).toBe('UTC')
    expect(await ask(server.connectionString, 'show listen_addresses')).toBe('')
    expect(await ask(server.connectionString, 'show fsync')).toBe('off')
    expect(
      await ask(server.connectionString, 'select datlocale from pg_database where datname = current_database()'),
    ).toBe('C.UTF-8')
    expect(readdirSync(dataDir)).toEqual(['postgres'])
    await server.release()
  })
})

test.concurrent('only its owner can reach the server, and only with the password', async () => {
  await withFolder(async (dataDir) => {
    const { connectionString, folder, release } = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
    const modes = ['', 'data', 'socket', 'password', 'server.log'].map(
      (name) => statSync(join(folder, name)).mode & 0o777,
    )
    expect(modes).toEqual([0o700, 0o700, 0o700, 0o600, 0o600])
    const wrong = new URL(connectionString)
    wrong.password = 'guess'
    await expect(ask(wrong.href, 'select 1')).rejects.toThrow('password authentication failed')
    await release()
  })
})

test.runIf(linux).concurrent('the server runs in its own session, without our environment', async () => {
  await withFolder(async (dataDir) => {
    const opener = await openElsewhere(
      { dataDir, create: true, settings: UNSAFE },
      { env: { DISCORD_WEBHOOK_URL: 'https://discord.com/api/webhooks/1/secret' } },
    )
    const pid = serverPid(opener.folder)
    const session = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[3])
    expect(session).toBe(pid)
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('secret')
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).not.toMatch(/^Uid:\t0/m)
    const password = new URL(opener.connectionString).password
    const { stdout } = await promisify(execFile)('ps', ['-eww', '-o', 'args'])
    expect(stdout).toContain(dataDir)
    expect(stdout).not.toContain(password)
    expect(await readFile(join(opener.folder, 'server.log'), 'utf8')).not.toContain(password)
    await opener.release()
  })
})

test.concurrent('a large log is emptied', async () => {
  await withFolder(async (dataDir) => {
    const first = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
    await first.release()
    const log = join(first.folder, 'server.log')
    await appendFile(log, 'x'.repeat(2 * 1024 * 1024))
    const second = await openEmbedded({ dataDir, create: false })
    expect((await stat(log)).size).toBeLessThan(10_000)
    await second.release()
  })
})

test.concurrent('a path too long for a socket gets a private folder in /tmp', async () => {
  await withFolder(async (folder) => {
    const dataDir = join(folder, `${'a deep "folder" '.repeat(7)}é`)
    const first = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
    const socketFolder = socketFolderOf(first.connectionString)
    expect(socketFolder).toMatch(/^\/tmp\/tminus-[0-9a-f]{16}$/)
    expect((await stat(socketFolder)).mode & 0o777).toBe(0o700)
    expect(await ask(first.connectionString, 'select 1')).toBe(1)
    await first.release()
    await rm(socketFolder, { recursive: true })
  })
})

test.concurrent('the connection string also works for psql', async ({ skip }) => {
  await withFolder(async (dataDir) => {
    const server = await openEmbedded({ dataDir: join(dataDir, 'a, "b'), create: true, settings: UNSAFE })
    const psql = promisify(execFile)('psql', ['-XAtc', 'select 42', server.connectionString])
    const found = await psql.catch((error) => (error.code === 'ENOENT' ? undefined : Promise.reject(error)))
    await server.release()
    await rm(socketFolderOf(server.connectionString), { recursive: true })
    if (found === undefined) skip('psql is not installed')
    expect(found?.stdout.trim()).toBe('42')
  })
})

test.concurrent('without a server and with create: false, the error says what to run', async () => {
  await withFolder(async (dataDir) => {
    await expect(openEmbedded({ dataDir, create: false })).rejects.toMatchObject({
      code: 'embedded_missing',
      retryable: false,
      message: expect.stringContaining('npm run pipeline DAG or npm start'),
    })
    expect(readdirSync(dataDir)).toEqual([])
  })
})

test.concurrent('if the server cannot start, the error comes at once, with the end of its log', async () => {
  await withFolder(async (dataDir) => {
    const failure = openEmbedded({ dataDir, create: true, settings: { ...UNSAFE, shared_buffers: 'plenty' } })
    await expect(failure).rejects.toMatchObject({
      code: 'embedded_start_failed',
      retryable: false,
      message: expect.stringContaining('invalid value for parameter "shared_buffers": "plenty"'),
    })
  })
})

test.concurrent('for damaged data, the error shows the fatal line, not the hint about a backup', async () => {
  await withFolder(async (dataDir) => {
    const server = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
    await server.release()
    const log = join(server.folder, 'data', 'pg_wal')
    for (const name of readdirSync(log)) if (/^[0-9A-F]{24}$/.test(name)) await rm(join(log, name))
    const error = await openEmbedded({ dataDir, create: false }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'embedded_start_failed',
      message: expect.stringMatching(/\((FATAL|PANIC): {2}could not locate a valid checkpoint record[^()]*\); see /),
    })
    expect(String(error)).not.toMatch(/HINT|backup/)
  })
})

test.concurrent("a folder that is not a server's is not changed", async () => {
  await withFolder(async (dataDir) => {
    await mkdir(join(dataDir, 'postgres'))
    await writeFile(join(dataDir, 'postgres', 'mine'), '')
    await expect(openEmbedded({ dataDir, create: true, settings: UNSAFE })).rejects.toMatchObject({
      code: 'embedded_folder_foreign',
    })
    expect(readdirSync(dataDir)).toEqual(['postgres'])
  })
})

test.concurrent('the error names a password file that does not match the server', async () => {
  await withFolder(async (dataDir) => {
    const server = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
    await writeFile(join(server.folder, 'password'), 'another')
    await expect(openEmbedded({ dataDir, create: false })).rejects.toMatchObject({ code: 'embedded_password' })
    await server.release()
  })
})

function socketFolderOf(connectionString: string): string {
  return new URL(connectionString).searchParams.get('host') ?? ''
}
