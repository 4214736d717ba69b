import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { readStatus } from '../../src/maintenance/status.ts'
import { openMetadata } from '../../src/metadata/metadata.ts'
import { PIPELINES, runCli, startCli } from '../support/cli.ts'
import { createDatabase, createEmptyDatabase, type TestDatabase, useDatabase } from '../support/database.ts'
import { withFolder } from '../support/scratch.ts'
import { WITHIN } from '../support/within.ts'

const REAL_PIPELINES = join(PIPELINES, '../../../pipelines')
const BROKEN = join(PIPELINES, '../broken-pipelines')

const cliOn =
  (database: TestDatabase) =>
  (line: string, env: Record<string, string> = {}) =>
    runCli(line.split(' '), { env: { DATABASE_URL: database.connectionString, ...env } })

interface Line {
  name: string
  level: 'ok' | 'warn' | 'fail'
  message: string
}

/** The findings of `db check` that are not ok. */
async function wrong(run: Promise<{ stdout: string }>): Promise<Line[]> {
  return (JSON.parse((await run).stdout) as Line[]).filter(({ level }) => level !== 'ok')
}

describe.concurrent('db check', () => {
  const database = useDatabase()
  const cli = (line: string, env: Record<string, string> = {}) => cliOn(database)(line, env)

  test('reports that everything is well, or what to start', async () => {
    const { code, stdout, stderr } = await cli('db check', { PGTZ: 'UTC' })
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^ok {4}connection {3}DATABASE_URL: database "test_\w+", answers in [\d.]+ m?s$/m)
    expect(stdout).toMatch(/^ok {4}version {6}PostgreSQL 1[4-8]/m)
    expect(stdout).toMatch(/^ok {4}migrations {3}schema "metadata" is up to date$/m)
    expect(stdout).toMatch(/^warn {2}processes {4}no process is executing runs; start one with npm start$/m)
    expect(stdout).toMatch(/^ok {4}chain {8}loads, and its settings are valid$/m)
  })

  test('reports an unreachable database once, without its password', async () => {
    const { code, stdout, stderr } = await cli('db check', { DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:1/d' })
    expect([code, stderr]).toEqual([1, ''])
    expect(stdout).toMatch(/^fail {2}connection {2}DATABASE_URL: nothing listens at 127.0.0.1:1; start Postgres there/)
    expect(stdout).not.toContain('hunter2')
    expect(stdout.match(/fail/g)).toHaveLength(1)
  })

  test('reports missing tables, and a pipeline that cannot be loaded', async () => {
    const missing = cli('db check -o json', { METADATA_SCHEMA: 'none_yet', PIPELINES_DIR: BROKEN })
    expect(await wrong(missing)).toEqual([
      {
        name: 'migrations',
        level: 'fail',
        message: expect.stringMatching(/0001_runner.sql.*; run npm run cli -- db migrate/),
      },
      { name: 'no-dag', level: 'fail', message: expect.stringContaining('could not be loaded') },
      { name: 'throws', level: 'fail', message: 'could not be loaded: broken on purpose' },
    ])
    expect((await missing).code).toBe(1)
  })

  test("reports another application's schema", async () => {
    await database.pool.query('create schema taken; create table taken.orders ()')
    const found = await wrong(cli('db check -o json', { METADATA_SCHEMA: 'taken' }))
    expect(found[0]).toEqual({
      name: 'migrations',
      level: 'fail',
      message: `schema "taken" holds another application's tables (orders); set METADATA_SCHEMA to another`,
    })
  })

  test('reports clocks that differ', async () => {
    const ahead = (ms: number) => ({
      NODE_OPTIONS: `--import=data:text/javascript,const%20n=Date.now;Date.now=()=>n()+${ms}`,
    })
    expect(await wrong(cli('db check -o json', ahead(10_000)))).toContainEqual({
      name: 'clock',
      level: 'warn',
      message: expect.stringMatching(/^the database is (9\.\d|10|11) s behind this process; set both clocks by NTP$/),
    })
    const far = cli('db check -o json', ahead(-100_000))
    expect(await wrong(far)).toContainEqual(expect.objectContaining({ name: 'clock', level: 'fail' }))
    expect((await far).code).toBe(1)
  })

  test('names unknown settings in .env and suggests known ones; ignores those of other programs', async () => {
    await withFolder(async (cwd) => {
      const lines = [
        'DISCORD_REMINDER=1h',
        'WEB_PROT=9000',
        'LOG_COLOUR=no',
        'DISCORD_OLD=',
        'AWS_REGION=x',
        'POSTGRES_DB=x',
      ]
      await writeFile(join(cwd, '.env'), lines.join('\n'))
      const env = { DATABASE_URL: database.connectionString, PIPELINES_DIR: REAL_PIPELINES, DISCORD_NOTICE: 'none' }
      const found = await wrong(runCli(['db', 'check', '-o', 'json'], { cwd, env }))
      expect(found.filter(({ name }) => name === 'settings')).toEqual(
        [
          'DISCORD_REMINDER in .env is not a known setting; did you mean DISCORD_REMINDERS?',
          'WEB_PROT in .env is not a known setting; did you mean WEB_PORT?',
          'LOG_COLOUR in .env is not a known setting; correct or remove it',
        ].map((message) => ({ name: 'settings', level: 'warn', message })),
      )
      const broken = await wrong(runCli(['db', 'check', '-o', 'json'], { cwd, env: { ...env, PIPELINES_DIR: BROKEN } }))
      expect(broken.map(({ name }) => name)).not.toContain('settings')
      const running = startCli(['scheduler'], { cwd, env: { ...env, PIPELINES_DIR: PIPELINES, LOG_FORMAT: 'json' } })
      await vi.waitFor(() => expect(running.stdout()).toContain('did you mean WEB_PORT?'), WITHIN)
      running.process.kill('SIGTERM')
      await running.ended
    })
  })

  test('reports a wrong webhook without its address, and that no launch is stored yet', async () => {
    const env = { PIPELINES_DIR: REAL_PIPELINES, DISCORD_WEBHOOK_URL: 'https://discord.com/api/hunter2' }
    const found = await wrong(cli('db check -o json', env))
    expect(found).toContainEqual({
      name: 'rocket-launches',
      level: 'fail',
      message: expect.stringContaining('DISCORD_WEBHOOK_URL is not a Discord webhook address'),
    })
    expect(JSON.stringify(found)).not.toContain('hunter2')
    const empty = await wrong(cli('db check -o json', { PIPELINES_DIR: REAL_PIPELINES }))
    expect(empty).toContainEqual({
      name: 'launches',
      level: 'warn',
      message: 'none stored yet; run npm run pipeline rocket-launches',
    })
  })
})

test('db check reports dead processes, runs that no process executes, and pools without slots', async () => {
  const database = await createDatabase()
  const cli = cliOn(database)
  try {
    await cli('pools set api 0')
    await cli('dags trigger chain')
    const alone = cli('db check -o json')
    expect(await wrong(alone)).toEqual([
      { name: 'processes', level: 'warn', message: 'no process is executing runs; start one with npm start' },
      {
        name: 'runs',
        level: 'fail',
        message: expect.stringMatching(/^1 of chain waits, for .*: start one with npm start$/),
      },
      {
        name: 'pools',
        level: 'warn',
        message: 'pool api has 0 slots, so none of its tasks can start; run npm run cli -- pools set api 1',
      },
    ])
    expect((await alone).code).toBe(1)
    const running = startCli(['scheduler'], { env: { DATABASE_URL: database.connectionString } })
    await vi.waitFor(async () => expect((await cli('jobs check')).code).toBe(0), WITHIN)
    await cli('dags trigger slow')
    await vi.waitFor(() => expect(running.stdout()).toContain('waiting'), WITHIN)
    expect((await wrong(cli('db check -o json'))).map(({ name }) => name)).toEqual(['pools'])
    running.process.kill('SIGKILL')
    await running.ended
    const killed = await wrong(cli('db check -o json'))
    expect(killed.map(({ name, message }) => `${name}: ${message}`)).toEqual([
      'processes: no process is executing runs; start one with npm start',
      expect.stringMatching(/^processes: process \d+ on .* died; the next process to start takes over its runs/),
      'runs: the process of 1 running slow died; start another one with npm start',
      expect.stringContaining('pools: '),
    ])
    expect((await cli('jobs check')).code).toBe(1)
  } finally {
    await database.drop()
  }
})

describe('the database verbs', () => {
  const database = useDatabase(createEmptyDatabase)
  const cli = (line: string, env: Record<string, string> = {}) => cliOn(database)(line, env)

  test('four processes can migrate it at once', async () => {
    const ended = await Promise.all([1, 2, 3, 4].map(() => cli('db migrate')))
    for (const { code, stderr } of ended) expect([code, stderr]).toEqual([0, ''])
    const { migrations } = await readStatus(openMetadata(database.pool, 'metadata'))
    expect(migrations.pending).toEqual([])
    expect(new Set(migrations.applied).size).toBe(migrations.applied.length)
  })

  test('db status', async () => {
    await cli('pipeline chain')
    const { code, stdout } = await cli('db status')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^server +PostgreSQL 1/)
    expect(stdout).toMatch(/^runs +0 running, 0 queued$/m)
    expect(stdout).toMatch(/^task_instance +\d+ +\d+ kB$/m)
    const status = JSON.parse((await cli('db status -o json')).stdout)
    expect(status).toMatchObject({ schema: 'metadata', migrations: { pending: [] }, runs: { queued: 0, running: 0 } })
  })

  test('db clean', async () => {
    await cli('pipeline chain')
    const dry = await cli('db clean --older-than 0s --dry-run')
    expect([dry.code, dry.stdout]).toEqual([
      0,
      expect.stringMatching(/^Would delete 1 of dag_run, .*\nWould delete \d of job\n/),
    ])
    expect(JSON.parse((await cli('dags runs chain -o json')).stdout)).toHaveLength(2)
    const { code, stdout } = await cli('db clean --older-than 0s')
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^Deleted 1 of dag_run, .*\nDeleted \d of job\n/)])
    expect(JSON.parse((await cli('dags runs chain -o json')).stdout)).toHaveLength(1)
    await cli('pipeline chain')
    await database.pool.query('create table mine (id bigint references metadata.dag_run)')
    await database.pool.query('insert into mine select dag_run_id from metadata.dag_run')
    const failed = await cli('db clean --older-than 0s')
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringMatching(/^✖ dag_run: .*violates foreign key/)])
    await database.pool.query('drop table mine')
  })

  test.each([
    ['db clean', "✖ Required option '--older-than <duration>' not specified"],
    ['db clean --older-than 999999999999d', '✖ --older-than must be a duration such as 30d or 12h'],
    ['db clean --older-than soon', '✖ --older-than must be a duration such as 30d or 12h'],
    [
      'db reset',
      '✖ This drops schema "metadata" with every run, log and pool (launches are kept); add --yes to confirm',
    ],
  ])('%s says what is missing', async (line, says) => {
    expect(await cli(line)).toEqual({ code: 2, stdout: '', stderr: `${says}\n` })
  })

  test('db reset refuses while a process is alive or if the schema has a foreign table, and drops no launches', async () => {
    await database.pool.query('create table rocket_launches (); create table metadata.mine ()')
    const shared = await cli('db reset --yes')
    expect(shared).toEqual({
      code: 1,
      stdout: '',
      stderr: '✖ Schema "metadata" also contains mine, which T-minus did not create; move or drop that first\n',
    })
    await database.pool.query('drop table metadata.mine')
    const running = startCli(['scheduler'], { env: { DATABASE_URL: database.connectionString } })
    await vi.waitFor(async () => expect((await cli('jobs check')).code).toBe(0), WITHIN)
    const alive = await cli('db reset --yes')
    expect([alive.code, alive.stderr]).toEqual([
      1,
      expect.stringMatching(/^✖ Stop scheduler \(process \d+ on .*\) first: nothing was dropped\n$/),
    ])
    running.process.kill('SIGTERM')
    await running.ended
    const { code, stdout } = await cli('db reset --yes')
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^Dropped schema "metadata": .*dag_run \(\d+ rows\)/)])
    expect((await cli('db reset --yes')).stdout).toBe('Schema "metadata" does not exist: nothing to drop\n')
    const { rows } = await database.pool.query(`select to_regclass('rocket_launches') is not null as there`)
    expect(rows).toEqual([{ there: true }])
    expect((await cli('db migrate')).code).toBe(0)
  })
})
