import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import format from 'pg-format'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from '../support/cli.ts'
import { useDatabase, withDatabase } from '../support/database.ts'
import { withFolder } from '../support/scratch.ts'

const database = useDatabase()
const PASSWORD = `p@:/#% ?$x'"\\~`

/** The parts of the test database's address, for a user with this password. */
function parts(): Record<string, string> {
  const url = new URL(database.connectionString)
  return {
    POSTGRES_HOST: url.searchParams.get('host') ?? '',
    POSTGRES_PORT: url.port,
    POSTGRES_USER: user(),
    POSTGRES_DB: url.pathname.slice(1),
  }
}

const user = () => `user of ${new URL(database.connectionString).pathname.slice(1)}`

beforeAll(async () => {
  await database.pool.query(format('create role %I login superuser password %L', user(), PASSWORD))
})
afterAll(async () => {
  await database.pool.query(format('drop owned by %I; drop role %I', user(), user()))
})

describe('the database address in parts', () => {
  test('a run succeeds with any characters in the password, which is never printed', async () => {
    const env = { ...parts(), POSTGRES_PASSWORD: PASSWORD, LOG_LEVEL: 'debug' }
    const { code, stdout, stderr } = await runCli(['pipeline', 'chain', '--json'], { env })
    expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ state: 'success' })])
    for (const secret of [PASSWORD, encodeURIComponent(PASSWORD)]) expect(stdout + stderr).not.toContain(secret)
    const check = await runCli(['db', 'check'], { env })
    expect(check.stdout).toMatch(/^ok {4}connection +POSTGRES_HOST: database "test_\w+", answers in [\d.]+ m?s$/m)
  })

  test.each([
    ['a password from a file', PASSWORD],
    ['line breaks at its end are not part of it', `${PASSWORD}\n\n`],
  ])('%s', async (_, content) => {
    await withFolder(async (cwd) => {
      await writeFile(join(cwd, 'secret'), content)
      const env = { ...parts(), POSTGRES_PASSWORD_FILE: 'secret' }
      const { code, stdout, stderr } = await runCli(['db', 'status', '-o', 'json'], { env, cwd })
      expect([code, stderr, JSON.parse(stdout)]).toEqual([0, '', expect.objectContaining({ schema: 'metadata' })])
    })
  })

  test('a refused password explains that the volume keeps the first one', async () => {
    const env = { ...parts(), POSTGRES_PASSWORD: 'hunter2 and more' }
    const { code, stderr } = await runCli(['db', 'migrate'], { env })
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(
        /^✖ POSTGRES_HOST: the server at \S+ rejected the password of user "user of test_\w+"; check POSTGRES_USER and POSTGRES_PASSWORD\. A volume keeps the password that its database was created with: set that one, or change it in the database \(docs\/operations\.md\)\n$/,
      ),
    ])
  })

  test('a missing password names the settings', async () => {
    const { code, stderr } = await runCli(['db', 'migrate'], { env: parts() })
    expect([code, stderr]).toEqual([2, expect.stringContaining('set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE')])
  })
})

describe('the first admin', () => {
  const migrate = (env: Record<string, string>, cwd?: string) =>
    runCli(['db', 'migrate'], { env: { DATABASE_URL: database.connectionString, ...env }, ...(cwd && { cwd }) })

  test('a wrong name or password names its setting, both at once', async () => {
    const ended = await migrate({ ADMIN_USER: 'a b', ADMIN_PASSWORD: 'hunter2' })
    expect(ended).toEqual({
      code: 2,
      stdout: '',
      stderr:
        "✖ ADMIN_USER: A user's name has 1 to 100 letters, digits, '-', '_', '.' and '@'\n" +
        'ADMIN_PASSWORD: A password needs at least 8 characters\n',
    })
  })

  test('is created once by several concurrent processes, with the password from a file', async () => {
    await withFolder(async (cwd) => {
      await writeFile(join(cwd, 'secret'), 'a long password\r\n')
      const env = { ADMIN_USER: 'ada', ADMIN_PASSWORD_FILE: 'secret' }
      const ended = await Promise.all([1, 2, 3].map(() => migrate(env, cwd)))
      expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(ended.map(() => [0, '']))
      expect(ended.filter(({ stdout }) => stdout.includes('Created ada, the first admin'))).toHaveLength(1)
    })
    const { rows } = await database.pool.query('select user_name, role from metadata.web_user')
    expect(rows).toEqual([{ user_name: 'ada', role: 'admin' }])
  })
})

describe('db migrate --before-start', () => {
  const migrate = (url: string, env: Record<string, string>) =>
    runCli(['db', 'migrate', '--before-start'], { env: { DATABASE_URL: url, ...env } })
  const DONE = 'The runner\'s tables in schema "metadata" are up to date\n'

  test('fails if start would refuse to serve the page, but still migrates', async () => {
    await withDatabase(async ({ connectionString: url }) => {
      const refused = await migrate(url, { WEB_HOST: '0.0.0.0' })
      expect([refused.code, refused.stdout, refused.stderr]).toEqual([
        2,
        DONE,
        expect.stringMatching(/^✖ The web page on 0\.0\.0\.0 needs a user first: .* ADMIN_USER and ADMIN_PASSWORD/),
      ])
      const unknown = await migrate(url, { WEB_HOST: '192.0.2.77', ADMIN_USER: 'ada', ADMIN_PASSWORD: 'a long one' })
      expect([unknown.code, unknown.stderr]).toEqual([
        2,
        '✖ This machine has no address 192.0.2.77; set WEB_HOST to one of its addresses\n',
      ])
      expect(await migrate(url, { WEB_HOST: '0.0.0.0' })).toEqual({ code: 0, stdout: DONE, stderr: '' })
    })
  })

  test('accepts a page that only this machine can reach', async () => {
    expect(await migrate(database.connectionString, {})).toEqual({ code: 0, stdout: DONE, stderr: '' })
  })
})
