import { readFileSync } from 'node:fs'
import { parse } from 'dotenv'
import { describe, expect, test } from 'vitest'
import { settings as launchSettings } from '../pipelines/rocket-launches/settings.ts'
import { parseSettings } from '../src/config.ts'
import { dag } from '../src/dag/dag.ts'

const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8')
const COMPOSE = read('docker-compose.yml')
const EXAMPLE = parse(read('.env.example'))

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
  const blocks = [/^x-postgres:.*\n((?: {2}\S.*\n)+)/m, /^x-app:[\s\S]*?^ {2}environment:\n((?: {4}\S.*\n)+)/m]
  const lines = blocks.flatMap((block) => (block.exec(COMPOSE)?.[1] ?? '').split('\n'))
  const own = lines.flatMap((line) => {
    const [, name, value = ''] = /^\s+([A-Z_]+): (.*)$/.exec(line) ?? []
    return name === undefined ? [] : [[name, interpolate(value.replace(/^'(.*)'$/, '$1'), env)] as const]
  })
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
