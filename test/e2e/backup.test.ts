import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chown, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { runAs, serverUser } from '../../src/db/embedded/user.ts'
import { runCli } from '../support/cli.ts'
import { createEmptyDatabase } from '../support/database.ts'
import { removeFolder, scratchFolder } from '../support/scratch.ts'

const run = promisify(execFile)

/** A PostgreSQL with its client programs, as distributions install it. */
const INSTALLED = '/usr/lib/postgresql'
const versions = existsSync(INSTALLED) ? await readdir(INSTALLED) : []
const bin = versions
  .map((version) => join(INSTALLED, version, 'bin'))
  .find((folder) => ['initdb', 'pg_ctl', 'pg_dump', 'pg_restore'].every((name) => existsSync(join(folder, name))))

async function runsOf(env: Record<string, string>): Promise<unknown> {
  const { code, stdout } = await runCli(['runs', 'show', 'chain', 'latest', '-o', 'json'], { env })
  expect(code).toBe(0)
  return JSON.parse(stdout)
}

test("a copy of the embedded server's folder, made while it is stopped, is a backup", async () => {
  const folder = await scratchFolder()
  const copy = `${folder}-copy`
  try {
    expect((await runCli(['pipeline', 'chain'], { env: { DATA_DIR: folder } })).code).toBe(0)
    const before = await runsOf({ DATA_DIR: folder })
    expect(spawnSync('cp', ['-a', folder, copy]).status).toBe(0)
    expect((await runCli(['pipeline', 'chain'], { env: { DATA_DIR: folder } })).code).toBe(0)
    expect(await runsOf({ DATA_DIR: copy })).toEqual(before)
    expect(await runsOf({ DATA_DIR: folder })).not.toEqual(before)
  } finally {
    await removeFolder(folder)
    await removeFolder(copy)
  }
})

test.skipIf(bin === undefined)('pg_dump and pg_restore move everything to another server', async () => {
  const own = await installedServer(bin ?? '')
  const target = await createEmptyDatabase()
  try {
    const env = { DATABASE_URL: own.url }
    expect((await runCli(['pipeline', 'chain'], { env })).code).toBe(0)
    const before = await runsOf(env)
    const file = join(own.folder, 'moved.dump')
    await run(join(bin ?? '', 'pg_dump'), ['--format=custom', '--no-owner', `--file=${file}`, own.url])
    await run(join(bin ?? '', 'pg_restore'), [
      '--no-owner',
      '--exit-on-error',
      `--dbname=${target.connectionString}`,
      file,
    ])
    const moved = { DATABASE_URL: target.connectionString }
    expect(await runsOf(moved)).toEqual(before)
    const checked = await runCli(['db', 'check'], { env: moved })
    expect([checked.code, checked.stdout]).toEqual([0, expect.stringContaining('is up to date')])
    expect((await runCli(['pipeline', 'chain'], { env: moved })).code).toBe(0)
  } finally {
    await own.stop()
    await target.drop()
  }
})

/** A server of this test, on its own socket. */
async function installedServer(programs: string) {
  const folder = await scratchFolder()
  const user = serverUser(folder)
  if (user) await chown(folder, user.uid, user.gid)
  const as = { ...runAs(user), cwd: folder }
  const data = join(folder, 'data')
  await run(join(programs, 'initdb'), ['-D', data, '-U', 'tminus', '-A', 'trust', '--no-sync'], as)
  const options = `-c listen_addresses='' -c unix_socket_directories='${folder}' -c fsync=off`
  await run(join(programs, 'pg_ctl'), ['start', '-w', '-D', data, '-l', join(folder, 'log'), '-o', options], as)
  return {
    folder,
    url: `postgresql://tminus@localhost/postgres?host=${encodeURIComponent(folder)}`,
    stop: async () => {
      await run(join(programs, 'pg_ctl'), ['stop', '-w', '-m', 'immediate', '-D', data], as)
      await removeFolder(folder)
    },
  }
}
