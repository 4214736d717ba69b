import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect, test, vi } from 'vitest'
import { openEmbedded } from '../../../src/db/embedded/embedded.ts'
import { ask, connect, openElsewhere } from '../../support/embedded.ts'
import { isPostgres, serverPid, withFolder } from '../../support/scratch.ts'
import { WITHIN } from '../../support/within.ts'

const UNSAFE = { fsync: 'off' }

test.concurrent('a second process joins the server; the last one to leave stops it', async () => {
  await withFolder(async (dataDir) => {
    const first = await openElsewhere({ dataDir, create: true, settings: UNSAFE })
    const pid = serverPid(first.folder)
    const second = await openElsewhere({ dataDir, create: false })
    expect(serverPid(second.folder)).toBe(pid)
    await first.release()
    expect(await ask(second.connectionString, 'select 1')).toBe(1)
    await second.release()
    expect(existsSync(join(second.folder, 'data', 'postmaster.pid'))).toBe(false)
    await vi.waitFor(() => expect(isPostgres(pid)).toBe(false), WITHIN)
  })
})

test.concurrent('another session keeps the server running, and so does leaveRunning', async () => {
  await withFolder(async (dataDir) => {
    const first = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
    const psql = await connect(first.connectionString)
    await first.release()
    await first.release()
    expect((await psql.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await psql.end()
    const second = await openEmbedded({ dataDir, create: false })
    await second.release({ leaveRunning: true })
    expect(await ask(second.connectionString, 'select 1')).toBe(1)
    const third = await openEmbedded({ dataDir, create: false })
    await third.release()
    expect(existsSync(join(third.folder, 'data', 'postmaster.pid'))).toBe(false)
  })
})

test.concurrent('a session that is ending does not keep the server running', async () => {
  await withFolder(async (dataDir) => {
    const server = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
    const ending = await connect(server.connectionString)
    const released = server.release()
    const last = `select 1 from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock' and granted`
    while ((await ending.query(last)).rowCount === 0);
    await ending.end()
    await released
    expect(existsSync(join(server.folder, 'data', 'postmaster.pid'))).toBe(false)
  })
})

test.concurrent('a process that does not release still ends, and the server continues', async () => {
  await withFolder(async (dataDir) => {
    const server = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
    const url = new URL('../../../src/db/embedded/embedded.ts', import.meta.url)
    const program = `const { openEmbedded } = await import('${url}')
      await openEmbedded(${JSON.stringify({ dataDir, create: false })})`
    await promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program])
    expect(await ask(server.connectionString, 'select 1')).toBe(1)
    await server.release()
  })
})

test.concurrent('eight simultaneous first starts share one server', async () => {
  await withFolder(async (dataDir) => {
    const openers = await Promise.all(
      Array.from({ length: 8 }, () => openElsewhere({ dataDir, create: true, settings: UNSAFE })),
    )
    const passwords = new Set(openers.map((opener) => opener.connectionString))
    expect(passwords.size).toBe(1)
    const answers = openers.map((opener) => ask(opener.connectionString, 'select pg_postmaster_start_time()::text'))
    expect(new Set(await Promise.all(answers)).size).toBe(1)
    expect(readdirSync(dataDir)).toEqual(['postgres'])
    await Promise.all(openers.map((opener) => opener.release()))
    expect(existsSync(join(dataDir, 'postgres', 'data', 'postmaster.pid'))).toBe(false)
  })
})

test.concurrent('after kill -9 of its parent the server continues, and the next process joins it', async () => {
  await withFolder(async (dataDir) => {
    const parent = await openElsewhere({ dataDir, create: true, settings: UNSAFE })
    const pid = serverPid(parent.folder)
    parent.process.kill('SIGKILL')
    await once(parent.process, 'exit')
    const next = await openEmbedded({ dataDir, create: false })
    expect(serverPid(next.folder)).toBe(pid)
    await next.release()
    await vi.waitFor(() => expect(isPostgres(pid)).toBe(false), WITHIN)
  })
})

test.concurrent('after kill -9 of the server, the next process restarts it with all committed data', async () => {
  await withFolder(async (dataDir) => {
    const first = await openElsewhere({ dataDir, create: true })
    await ask(first.connectionString, 'create table kept as select 42 as answer')
    const busy = await connect(first.connectionString)
    busy.query('select pg_sleep(600)').catch(() => {})
    process.kill(serverPid(first.folder), 'SIGKILL')
    first.process.kill('SIGKILL')
    const second = await openEmbedded({ dataDir, create: false })
    expect(await ask(second.connectionString, 'select answer from kept')).toBe(42)
    await second.release()
  })
})

test.concurrent('a process whose server was killed restarts it', async () => {
  await withFolder(async (dataDir) => {
    const server = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
    const killed = serverPid(server.folder)
    process.kill(killed, 'SIGKILL')
    await vi.waitFor(async () => expect(await ask(server.connectionString, 'select 1')).toBe(1), WITHIN)
    const pid = serverPid(server.folder)
    expect(pid).not.toBe(killed)
    await server.release()
    await vi.waitFor(() => expect(isPostgres(pid)).toBe(false), WITHIN)
  })
})

test.concurrent('a server that cannot restart is reported, and restarts once the cause is fixed', async () => {
  await withFolder(async (dataDir) => {
    const [onLost, onBack] = [vi.fn(), vi.fn()]
    // Otherwise a killed server leaves shared memory behind for a next server, which never starts.
    const settings = { ...UNSAFE, dynamic_shared_memory_type: 'mmap' }
    const server = await openEmbedded({ dataDir, create: true, settings, onLost, onBack })
    const configuration = join(server.folder, 'data', 'postgresql.conf')
    const right = await readFile(configuration, 'utf8')
    await appendFile(configuration, 'nonsense\n')
    process.kill(serverPid(server.folder), 'SIGKILL')
    await vi.waitFor(() => expect(onLost).toHaveBeenCalled(), WITHIN)
    expect(onLost.mock.calls[0]?.[0]).toMatchObject({
      code: 'embedded_start_failed',
      message: expect.stringContaining(`(FATAL:  configuration file "${configuration}" contains errors)`),
    })
    await writeFile(configuration, right)
    await vi.waitFor(async () => expect(await ask(server.connectionString, 'select 1')).toBe(1), WITHIN)
    await vi.waitFor(() => expect(onBack).toHaveBeenCalledOnce(), WITHIN)
    expect(onLost).toHaveBeenCalledOnce()
    const pid = serverPid(server.folder)
    await server.release()
    await vi.waitFor(() => expect(isPostgres(pid)).toBe(false), WITHIN)
  })
})

test.concurrent('a server that stays down delays no release and keeps no process alive', async () => {
  await withFolder(async (dataDir) => {
    const settings = { ...UNSAFE, dynamic_shared_memory_type: 'mmap' }
    const opener = await openElsewhere({ dataDir, create: true, settings })
    await appendFile(join(opener.folder, 'data', 'postgresql.conf'), 'nonsense\n')
    process.kill(serverPid(opener.folder), 'SIGKILL')
    await opener.release()
    expect(opener.process.exitCode).toBe(0)
  })
})

test.concurrent('a process that joins while the last one stops the server gets a running server', async () => {
  await withFolder(async (dataDir) => {
    let server = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
    for (let round = 0; round < 20; round += 1) {
      const stopped = server.release()
      await sleep(round)
      const next = await openEmbedded({ dataDir, create: false, settings: UNSAFE })
      const session = await connect(next.connectionString)
      await stopped
      expect((await session.query('select 1 as one')).rows).toEqual([{ one: 1 }])
      await session.end()
      server = next
    }
    await server.release()
  })
})

test.concurrent('many processes that join and leave at once always have a server, and leave none behind', async () => {
  await withFolder(async (dataDir) => {
    const comeAndGo = async (_: unknown, index: number) => {
      for (let round = 0; round < 5; round += 1) {
        const server = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
        expect(await ask(server.connectionString, `select ${index}`)).toBe(index)
        await server.release()
      }
    }
    await Promise.all(Array.from({ length: 6 }, comeAndGo))
    expect(existsSync(join(dataDir, 'postgres', 'data', 'postmaster.pid'))).toBe(false)
  })
})

test.concurrent('a pid that was reused by another process does not block the start', async () => {
  await withFolder(async (dataDir) => {
    const first = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
    const pidFile = join(first.folder, 'data', 'postmaster.pid')
    const lines = (await readFile(pidFile, 'utf8')).split('\n')
    const owner = await stat(pidFile)
    await first.release()
    const other = spawn('sleep', ['600'], { uid: owner.uid, gid: owner.gid })
    await writeFile(pidFile, [other.pid, ...lines.slice(1)].join('\n'))
    const second = await openEmbedded({ dataDir, create: false })
    expect(await ask(second.connectionString, 'select 1')).toBe(1)
    expect(other.exitCode).toBeNull()
    other.kill()
    await second.release()
  })
})
