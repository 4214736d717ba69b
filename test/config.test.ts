import fc from 'fast-check'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Environment, parseSettings } from '../src/config.ts'
import { dag } from '../src/dag/dag.ts'
import { UsageError } from '../src/errors.ts'

const parseConfig = (env: Environment) => parseSettings(env, []).config

function refusal(env: Environment): string {
  try {
    parseConfig(env)
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    expect(error).toMatchObject({ code: 'config', retryable: false })
    return (error as Error).message
  }
  throw new Error('nothing was found wrong')
}

const DEFAULTS = {
  databaseUrl: undefined,
  databaseSetting: 'DATABASE_URL',
  metadataDatabaseUrl: undefined,
  metadataSchema: 'metadata',
  workerSchema: 'tminus_worker',
  dataDir: '.data',
  pipelinesDir: 'pipelines',
  executor: 'local',
  concurrency: 4,
  isolation: 'asked',
  web: { host: '127.0.0.1', port: 8080, trustProxy: false },
  admin: undefined,
  reload: false,
  metrics: false,
  clock: undefined,
  log: { level: 'info', format: 'auto' },
}

/** One wrong value for every setting that can be wrong. Each contains a marker to search for. */
const WRONG = {
  DATABASE_URL: 'mysql://u:hunter2@h/d',
  METADATA_DATABASE_URL: 'hunter2',
  METADATA_SCHEMA: 'Hunter2!',
  EXECUTOR: 'hunter2',
  CONCURRENCY: 'hunter2',
  WORKER_QUEUES: 'hunter2,,gpu',
  WEB_PORT: 'hunter2',
  WATCH: 'hunter2',
  METRICS: 'hunter2',
  TRUST_PROXY: 'hunter2',
  CLOCK: 'hunter2',
  LOG_LEVEL: 'hunter2',
  LOG_FORMAT: 'hunter2',
}

describe('the settings of the runner', () => {
  test('an empty environment is a complete configuration', () => {
    expect(parseConfig({})).toEqual(DEFAULTS)
  })

  test('reads every setting', () => {
    const config = parseConfig({
      DATABASE_URL: 'postgresql://u:p@h:5433/launches',
      METADATA_DATABASE_URL: 'postgres://u:p@h2/meta',
      METADATA_SCHEMA: 'runner_2',
      WORKER_SCHEMA: 'engine_2',
      DATA_DIR: '/d',
      PIPELINES_DIR: 'mine',
      EXECUTOR: 'distributed',
      CONCURRENCY: '1',
      WORKER_QUEUES: 'gpu, default,gpu',
      ISOLATION: 'none',
      WEB_HOST: '0.0.0.0',
      WEB_PORT: '0',
      ADMIN_USER: 'ada',
      ADMIN_PASSWORD: 'pw',
      WATCH: 'on',
      METRICS: 'on',
      TRUST_PROXY: '1',
      CLOCK: '2026-01-31T12:00:00+01:00',
      LOG_LEVEL: 'debug',
      LOG_FORMAT: 'json',
    })
    expect(config).toEqual({
      databaseUrl: 'postgresql://u:p@h:5433/launches',
      databaseSetting: 'DATABASE_URL',
      metadataDatabaseUrl: 'postgres://u:p@h2/meta',
      metadataSchema: 'runner_2',
      workerSchema: 'engine_2',
      dataDir: '/d',
      pipelinesDir: 'mine',
      executor: 'distributed',
      concurrency: 1,
      workerQueues: ['gpu', 'default'],
      isolation: 'none',
      web: { host: '0.0.0.0', port: 0, trustProxy: true },
      admin: { user: 'ada', password: 'pw' },
      reload: true,
      metrics: true,
      clock: new Date('2026-01-31T11:00:00Z'),
      log: { level: 'debug', format: 'json' },
    })
  })

  test('the metadata database defaults to DATABASE_URL', () => {
    expect(parseConfig({ DATABASE_URL: 'postgresql://u:p@h/d' }).metadataDatabaseUrl).toBe('postgresql://u:p@h/d')
  })

  test('names every wrong setting in one message, and repeats no value', () => {
    const message = refusal(WRONG)
    const lines = message.split('\n')
    expect(lines[0]).toBe(`${Object.keys(WRONG).length} wrong settings:`)
    expect(lines.slice(1).map((line) => line.trim().split(' ')[0])).toEqual(Object.keys(WRONG))
    expect(message.toLowerCase()).not.toContain('hunter2')
  })

  test.each([
    ['EXECUTOR', "'local' or 'distributed'"],
    ['CONCURRENCY', 'a whole number from 1 to 1000'],
    ['WORKER_QUEUES', "names of queues (letters, digits, '-', '_', '.'; at most 250), separated by commas"],
    ['WEB_PORT', 'a whole number from 0 to 65535'],
    ['WATCH', 'on or off'],
    ['METRICS', 'on or off'],
    ['TRUST_PROXY', 'on or off'],
    ['LOG_FORMAT', 'one of auto, pretty, json'],
    ['CLOCK', 'an instant such as'],
    ['LOG_LEVEL', 'one of debug, info, warn, error, silent'],
    ['METADATA_SCHEMA', 'a plain schema name'],
  ] as const)('%s alone: the message says what it must be', (name, must) => {
    expect(refusal({ [name]: WRONG[name] })).toMatch(`Wrong setting: ${name} must be ${must}`)
  })

  test.each(['0', '1001', '-1', '1.5', '1e1', ' 4', '0x4'])('CONCURRENCY %o is refused', (CONCURRENCY) => {
    expect(refusal({ CONCURRENCY })).toContain('CONCURRENCY must be a whole number')
  })

  test.each(['2026-01-31', '2026-01-31T12:00:00', '2026-13-31T12:00:00Z', '1769860800000', 'now'])(
    'CLOCK %o names no instant',
    (CLOCK) => {
      expect(refusal({ CLOCK })).toContain("CLOCK must be an instant such as '2026-01-31T12:00:00Z'")
    },
  )

  test.each(['pg_own', 'Meta', '1a', 'a-b', 'a"b', 'x'.repeat(64)])('METADATA_SCHEMA %o is refused', (name) => {
    expect(refusal({ METADATA_SCHEMA: name })).toContain('METADATA_SCHEMA must be a plain schema name')
  })

  test('no message repeats a value, wrong or right', () => {
    const secret = fc.stringMatching(/^[a-z0-9@:/#?%.!-]{8,20}$/)
    const shape = fc.constantFrom('', 'mysql://u:', 'postgresql://u:', 'postgresql://', 'postgres+x://u:')
    fc.assert(
      fc.property(shape, secret, fc.constantFrom('', '@h/d', '@h:99999/d'), (before, value, after) => {
        const text = [before, value, after].join('')
        try {
          parseConfig({ DATABASE_URL: text, CONCURRENCY: value, LOG_LEVEL: value, CLOCK: value })
        } catch (error) {
          for (const part of value.split(/[@:/#?]/))
            if (part.length >= 6) expect((error as Error).message).not.toContain(part)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('a connection string', () => {
  test.each([
    ['launches', 'must be a Postgres address: postgresql://USER:PASSWORD@HOST:5432/DATABASE'],
    ['localhost:5432/launches', 'must be a Postgres address'],
    ['u:hunter2@h/d', 'must be a Postgres address'],
    ['postgresql+psycopg2://u:hunter2@h/d', 'has SQLAlchemy\'s scheme "postgresql+psycopg2://"'],
    ['postgres+asyncpg://u:hunter2@h/d', 'has SQLAlchemy\'s scheme "postgres+asyncpg://"'],
    ['mysql://u:hunter2@h/d', 'must start with postgresql://, not mysql://'],
    ['jdbc:postgresql://h/d?user=u&password=hunter2', 'must be a Postgres address'],
    ['postgresql://u:hunter2@h:99999/d', 'has an invalid port; use a number from 1 to 65535'],
    ['postgresql://u:hunter2@h:0/d', 'has an invalid port'],
    ['postgresql://u:hunter2@h:port/d', 'cannot be parsed; write the characters @ : / # ? in the password as %40'],
    ['postgresql://u:hun#ter2@h/d', 'cannot be parsed; write the characters'],
    ['postgresql://u:hun/ter2@h/d', 'cannot be parsed; write the characters'],
    ['postgresql://u:hun?ter2@h/d', 'cannot be parsed; write the characters'],
    // The part before the # or / would be read as a port.
    ['postgresql://u:123#hunter2@h/d', 'cannot be parsed; write the characters'],
    ['postgresql://u:123/hunter2@h/d', 'cannot be parsed; write the characters'],
    ['postgresql://u:#hunter2@h/d', 'cannot be parsed; write the characters'],
    ['postgresql://u:hunter2@h1:5432,h2:5432/d', 'names several hosts, but only one is supported: name the primary'],
    ['postgresql://u:hunter2@h1,h2/d?target_session_attrs=read-write', 'names several hosts'],
    ['postgresql://h1,h2', 'names several hosts'],
    ['postgresql://u:hunter2@/d?host=h1,h2', 'names several hosts'],
    ['postgresql://u:hunter2@/d?host=h1%2Ch2&port=5432,5433', 'names several hosts'],
    // An unquoted # in .env ends the value.
    ['postgresql://u:987654', 'has an invalid port'],
    ['postgresql://u:hunter2', 'cannot be parsed; write the characters'],
  ])('%s is rejected with a reason', (DATABASE_URL, problem) => {
    const message = refusal({ DATABASE_URL })
    expect(message).toContain(`Wrong setting: DATABASE_URL ${problem}`)
    for (const part of ['hunter2', 'ter2', '987654', '123']) expect(message).not.toContain(part)
  })

  test.each([
    'postgresql://u:p@h/d',
    'postgres://u:p@h:5432/d?sslmode=require',
    'POSTGRESQL://u:p@h/d',
    'postgresql://u@h/d',
    'postgresql:///d?host=%2Fvar%2Frun%2Fpostgresql',
    'postgresql://u:p@/d?host=%2Fvar%2Frun%2Fpostgresql',
    'postgresql://u:p@%2Fvar%2Frun%2Fpostgresql/d',
    'postgresql://u:p%40%3A%2F%23@[::1]:5433/d',
    // For node-postgres, the last @ ends the password.
    'postgresql://u:p@ss@h/d',
    'postgresql://h/d?user=me@example.com&password=p',
    'postgresql://u:p,q@h/d',
    'postgresql://u:p@q,r@h/d',
    'postgresql://u:p@h/d?options=-c%20search_path=a,b',
  ])('%s is accepted', (DATABASE_URL) => {
    expect(parseConfig({ DATABASE_URL }).databaseUrl).toBe(DATABASE_URL)
  })
})

describe('the settings of a pipeline', () => {
  const wanting = dag(
    'wanting',
    { settings: { HOOK_TOKEN: z.string().min(20, 'must have 20 letters'), SIZE: z.enum(['s', 'm']).default('m') } },
    () => {},
  )

  test('each dag gets only its own settings', () => {
    const env = { HOOK_TOKEN: 'x'.repeat(20), OTHER: 'y', CONCURRENCY: '2' }
    const { config, settings } = parseSettings(env, [wanting, dag('plain', {}, () => {})])
    expect(config.concurrency).toBe(2)
    expect([...settings]).toEqual([
      ['wanting', { HOOK_TOKEN: 'x'.repeat(20), SIZE: 'm' }],
      ['plain', {}],
    ])
  })

  test("names a dag's wrong settings together with the runner's, each once", () => {
    const twin = dag('twin', { settings: { SIZE: z.enum(['s', 'm']).default('m') } }, () => {})
    const env = { CONCURRENCY: '0', HOOK_TOKEN: 'hunter2', SIZE: 'hunter2' }
    const message = [
      '3 wrong settings:',
      '  CONCURRENCY must be a whole number from 1 to 1000',
      '  HOOK_TOKEN must have 20 letters',
      '  SIZE must be one of s, m',
    ].join('\n')
    expect(() => parseSettings(env, [wanting, twin])).toThrow(new UsageError(message, { code: 'config' }))
  })

  test('names a missing setting of a dag', () => {
    expect(() => parseSettings({}, [wanting])).toThrow(/^Wrong setting: HOOK_TOKEN is not set$/)
  })
})

test('ADMIN_USER without ADMIN_PASSWORD is a wrong setting, and vice versa', () => {
  expect(() => parseSettings({ ADMIN_USER: 'ada' }, [])).toThrow(
    'ADMIN_PASSWORD must be set, because ADMIN_USER is set',
  )
  expect(() => parseSettings({ ADMIN_PASSWORD: 'a secret word' }, [])).toThrow(
    'ADMIN_USER must be set, because ADMIN_PASSWORD is set',
  )
})

describe('a database address in parts', () => {
  const ODD = `@:/#%?$'"\\ +&=;,~!*()[]{}|^<>\u00e9\u{1F680}`

  test('node-postgres parses the address into the same parts, whatever their characters', () => {
    const text = fc.oneof(fc.string({ unit: 'grapheme', minLength: 1 }), fc.constant(ODD))
    const host = fc.constantFrom(
      'postgres',
      'my_db-1.example.com',
      '127.0.0.1',
      '::1',
      '[fd00::1]',
      '/var/run/postgresql',
    )
    const database = text.filter((name) => !/[?#]/.test(name) && !/(^|\/)\.{1,2}(\/|$)/.test(name))
    fc.assert(
      fc.property(host, text, text, database, fc.integer({ min: 1, max: 65_535 }), (host, user, password, db, port) => {
        const parts = { POSTGRES_HOST: host, POSTGRES_PORT: String(port), POSTGRES_USER: user }
        const { databaseUrl } = parseConfig({ ...parts, POSTGRES_PASSWORD: password, POSTGRES_DB: db })
        const read = new pg.Client({ connectionString: databaseUrl })
        expect([read.host, read.port, read.user, read.password, read.database]).toEqual([
          host.replace(/[[\]]/g, ''),
          port,
          user,
          password,
          db,
        ])
      }),
      { numRuns: 500 },
    )
  })

  test('without POSTGRES_HOST the parts are ignored: in a checkout they are for Compose', () => {
    expect(parseConfig({ POSTGRES_USER: 'u', POSTGRES_PASSWORD: 'p', POSTGRES_DB: 'd' })).toEqual(DEFAULTS)
  })

  test('the defaults are those of Compose; without a password, the address has none', () => {
    const { databaseUrl, metadataDatabaseUrl, databaseSetting } = parseConfig({ POSTGRES_HOST: 'postgres' })
    expect(databaseUrl).toBe('postgresql://tminus@postgres:5432/tminus')
    expect([metadataDatabaseUrl, databaseSetting]).toEqual([databaseUrl, 'POSTGRES_HOST'])
  })

  test.each([
    [{ POSTGRES_HOST: 'h', DATABASE_URL: 'postgresql://h/d' }, 'DATABASE_URL and POSTGRES_HOST both name a database'],
    [
      { POSTGRES_HOST: 'u:hunter2@h' },
      'POSTGRES_HOST must be a host name, an IP address or the folder of a Unix socket',
    ],
    [{ POSTGRES_HOST: 'h', POSTGRES_PORT: '0' }, 'POSTGRES_PORT must be a whole number from 1 to 65535'],
    [{ POSTGRES_HOST: 'h', POSTGRES_DB: 'hunter2?a' }, 'POSTGRES_DB must not contain ? or #'],
    [
      { POSTGRES_HOST: 'h', POSTGRES_DB: './a' },
      'POSTGRES_DB must not be . or .., nor have such a part between slashes',
    ],
    [{ POSTGRES_HOST: 'h', POSTGRES_DB: 'a/..' }, 'POSTGRES_DB must not be . or ..'],
    [
      { POSTGRES_HOST: 'h', POSTGRES_PASSWORD_FILE: '/hunter2' },
      'POSTGRES_PASSWORD_FILE names a file that cannot be read',
    ],
    [
      { POSTGRES_HOST: 'h', POSTGRES_PASSWORD_FILE: '/' },
      'POSTGRES_PASSWORD_FILE names a file that cannot be read (EISDIR)',
    ],
    [{ POSTGRES_HOST: 'h', POSTGRES_PASSWORD_FILE: '/dev/zero' }, 'cannot be read (not a plain file)'],
    [
      { POSTGRES_HOST: 'h', POSTGRES_PASSWORD: 'hunter2', POSTGRES_PASSWORD_FILE: '/x' },
      'POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are both set; unset one of them',
    ],
    [{ ADMIN_USER: 'ada', ADMIN_PASSWORD_FILE: '/hunter2' }, 'ADMIN_PASSWORD_FILE names a file that cannot be read'],
    [
      { DIRECT_DATABASE_URL: 'postgresql://u:hunter2@h/d' },
      'DATABASE_URL must be set, because DIRECT_DATABASE_URL is set',
    ],
    [{ WORKER_SCHEMA: 'metadata' }, 'WORKER_SCHEMA and METADATA_SCHEMA name the same schema; set another one'],
    [{ ADMIN_PASSWORD_FILE: '/hunter2' }, 'ADMIN_USER must be set, because ADMIN_PASSWORD is set'],
  ] as const)('%o is a wrong setting', (env, problem) => {
    const message = refusal(env)
    expect(message).toContain(problem)
    expect(message).not.toContain('hunter2')
  })
})
