import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chown, cp, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { type EmbeddedServer, openEmbedded } from '../../../src/db/embedded/embedded.ts'
import { parseCommand } from '../../../src/db/embedded/postmaster.ts'
import { ask } from '../../support/embedded.ts'
import { serverPid, withFolder } from '../../support/scratch.ts'

const UNSAFE = { fsync: 'off' }

const pidFile = (server: { folder: string }) => join(server.folder, 'data', 'postmaster.pid')
const socketLock = (server: { folder: string }) => join(server.folder, 'socket', '.s.PGSQL.5432.lock')

interface Stopped {
  folder: string
  pidText: string
  lockText: string
  owner: { uid: number; gid: number }
}

/** A stopped server, with the files that named its process while it ran. */
async function withStopped(dataDir: string, work: (stopped: Stopped) => Promise<void>): Promise<void> {
  const server = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
  const owner = await stat(pidFile(server))
  const pidText = await readFile(pidFile(server), 'utf8')
  const lockText = await readFile(socketLock(server), 'utf8')
  await server.release()
  await work({ folder: server.folder, pidText, lockText, owner })
}

const withPid = (text: string, pid: number | undefined) => [pid, ...text.split('\n').slice(1)].join('\n')

/** Written as the server's user, as a killed server leaves it. */
async function leave(path: string, text: string, { uid, gid }: { uid: number; gid: number }): Promise<void> {
  await writeFile(path, text, { mode: 0o600 })
  await chown(path, uid, gid)
}

async function expectStarts(dataDir: string): Promise<EmbeddedServer> {
  const server = await openEmbedded({ dataDir, create: false, settings: UNSAFE })
  expect(await ask(server.connectionString, `select current_setting('data_directory')`)).toBe(
    join(server.folder, 'data'),
  )
  return server
}

test.concurrent('ignores a stale postmaster.pid that names the living server of another folder', async () => {
  await withFolder(async (folder) => {
    const other = await openEmbedded({ dataDir: join(folder, 'other'), create: true, settings: UNSAFE })
    await withStopped(join(folder, 'mine'), async ({ folder: mine, pidText, lockText, owner }) => {
      await leave(pidFile({ folder: mine }), withPid(pidText, serverPid(other.folder)), owner)
      await leave(socketLock({ folder: mine }), withPid(lockText, serverPid(other.folder)), owner)
      const server = await expectStarts(join(folder, 'mine'))
      await server.release()
    })
    expect(await ask(other.connectionString, 'select 1')).toBe(1)
    await other.release()
  })
})

test.concurrent('a folder that was copied while its server ran starts its own server', async () => {
  await withFolder(async (folder) => {
    const original = await openEmbedded({ dataDir: join(folder, 'original'), create: true, settings: UNSAFE })
    await ask(original.connectionString, 'checkpoint')
    await cp(dirname(original.folder), join(folder, 'copy'), {
      recursive: true,
      preserveTimestamps: true,
      filter: (source) => !source.endsWith('.s.PGSQL.5432'),
    })
    await chownAs(original.folder, join(folder, 'copy'))
    const copy = await expectStarts(join(folder, 'copy'))
    expect(serverPid(copy.folder)).not.toBe(serverPid(original.folder))
    expect(Number(readFileSync(socketLock(original), 'utf8').split('\n')[0])).toBe(serverPid(original.folder))
    await copy.release()
    expect(await ask(original.connectionString, 'select 1')).toBe(1)
    await original.release()
  })
})

/** As `cp -a` does. */
async function chownAs(original: string, copy: string): Promise<void> {
  const { uid, gid } = await stat(original)
  await new Promise((ended) => spawn('chown', ['-R', `${uid}:${gid}`, copy]).once('exit', ended))
}

test.concurrent("ignores a stale lock of the socket with another program's pid", async () => {
  await withFolder(async (dataDir) => {
    await withStopped(dataDir, async ({ folder, lockText, owner }) => {
      const other = spawn('sleep', ['600'], owner)
      await leave(socketLock({ folder }), withPid(lockText, other.pid), owner)
      const server = await expectStarts(dataDir)
      expect(other.exitCode).toBeNull()
      other.kill()
      await server.release()
    })
  })
})

test.concurrent.each([
  ['empty', ''],
  ['without a number', 'nonsense\n/somewhere\n'],
])('a postmaster.pid that is %s, as a full disk leaves it', async (_, text) => {
  await withFolder(async (dataDir) => {
    await withStopped(dataDir, async ({ folder, owner }) => {
      await leave(pidFile({ folder }), text, owner)
      const old = new Date(Date.now() - 60_000)
      await utimes(pidFile({ folder }), old, old)
      await (await expectStarts(dataDir)).release()
    })
  })
})

test.concurrent('a copy with a changed password, and a file that names the running original', async () => {
  await withFolder(async (folder) => {
    const original = await openEmbedded({ dataDir: join(folder, 'original'), create: true, settings: UNSAFE })
    await withStopped(join(folder, 'mine'), async ({ folder: mine, owner }) => {
      await leave(pidFile({ folder: mine }), await readFile(pidFile(original), 'utf8'), owner)
      await (await expectStarts(join(folder, 'mine'))).release()
    })
    expect(await ask(original.connectionString, 'select 1')).toBe(1)
    await original.release()
  })
})

test.concurrent.each([
  [
    '/a b/bin/postgres -D /Users/Jane Doe/.data/postgres/data -c port=5432 -c jit=off',
    '/a b/bin/postgres',
    '/Users/Jane Doe/.data/postgres/data',
  ],
  [
    '/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql/15/main',
    '/usr/lib/postgresql/15/bin/postgres',
    '/var/lib/postgresql/15/main',
  ],
  ['postgres', 'postgres', undefined],
  ['postgres: checkpointer ', 'postgres: checkpointer', undefined],
  ['', '', undefined],
])('the line of ps "%s"', (line, program, data) => {
  expect(parseCommand(line)).toEqual({ program, data })
})
