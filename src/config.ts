import { config as readEnvFile } from 'dotenv'
import { z } from 'zod'
import type { Dag } from './dag/dag.ts'
import { UsageError } from './errors.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const connectionString = z.string().superRefine((value, ctx) => {
  const problem = connectionProblem(value)
  if (problem !== undefined) ctx.addIssue({ code: 'custom', message: problem })
})

const flag = z
  .enum(['on', 'off', 'true', 'false', '1', '0'], 'must be on or off')
  .default('off')
  .transform((value) => value === 'on' || value === 'true' || value === '1')

const wholeNumber = (least: number, most: number) =>
  z.string().transform((value, ctx) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
    if (number >= least && number <= most) return number
    ctx.addIssue({ code: 'custom', message: `must be a whole number from ${least} to ${most}` })
    return z.NEVER
  })

export const DEFAULT_WEB_PORT = 8080

/** The contract's environment, but for what a pipeline declares as its own `settings`. */
const Variables = z.object({
  DATABASE_URL: connectionString.optional(),
  METADATA_DATABASE_URL: connectionString.optional(),
  METADATA_SCHEMA: z
    .string()
    .regex(
      /^(?!pg_)[a-z_][a-z0-9_]{0,62}$/,
      'must be a plain schema name: small letters, digits and _, not beginning with pg_',
    )
    .default('metadata'),
  DATA_DIR: z.string().default('.data'),
  PIPELINES_DIR: z.string().default('pipelines'),
  EXECUTOR: z.enum(['local', 'distributed'], "must be 'local' or 'distributed'").default('local'),
  CONCURRENCY: wholeNumber(1, 1_000).default(4),
  WEB_HOST: z.string().default('127.0.0.1'),
  WEB_PORT: wholeNumber(0, 65_535).default(DEFAULT_WEB_PORT),
  ADMIN_USER: z.string().optional(),
  ADMIN_PASSWORD: z.string().optional(),
  METRICS: flag,
  TRUST_PROXY: flag,
  CLOCK: z
    .string()
    .transform((value, ctx) => {
      const date = new Date(value)
      if (/^\d{4}-\d\d-\d\dT.+(Z|[+-]\d\d:?\d\d)$/.test(value) && !Number.isNaN(date.getTime())) return date
      ctx.addIssue({ code: 'custom', message: "must be an instant such as '2026-01-31T12:00:00Z'" })
      return z.NEVER
    })
    .optional(),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  LOG_FORMAT: z.enum(['auto', 'pretty', 'json']).default('auto'),
})

export interface Config {
  /** Undefined: the embedded Postgres under `dataDir`. */
  databaseUrl: string | undefined
  metadataDatabaseUrl: string | undefined
  metadataSchema: string
  dataDir: string
  pipelinesDir: string
  executor: 'local' | 'distributed'
  concurrency: number
  web: { host: string; port: number; trustProxy: boolean }
  admin: { user: string; password: string } | undefined
  metrics: boolean
  clock: Date | undefined
  log: { level: 'debug' | 'info' | 'warn' | 'error' | 'silent'; format: 'auto' | 'pretty' | 'json' }
}

/** The environment with `.env` of the current folder under it; an empty variable is unset. The only reader of either. */
export function readEnvironment(options: { file?: boolean } = {}): Environment {
  const file = (options.file ?? true) ? readFile() : {}
  const merged: Record<string, string | undefined> = { ...file, ...process.env }
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined && value !== ''))
}

function readFile(): Record<string, string> {
  const file: Record<string, string> = {}
  readEnvFile({ quiet: true, processEnv: file })
  return file
}

/** Compose reads them from the same `.env`. */
const OF_COMPOSE = ['POSTGRES_USER', 'POSTGRES_PASSWORD', 'POSTGRES_DB']

/**
 * Names set in `.env` that nobody reads though they begin (up to the first `_`) like one that is read: misspelt, most
 * likely. Of the file alone: the environment holds what other programs read.
 */
export function misspeltSettings(dags: Iterable<Dag>): { names: string[]; known: string[] } {
  const declared = [...dags].flatMap(({ settings }) => Object.keys(settings))
  const known = [...Object.keys(Variables.shape), ...OF_COMPOSE, ...declared]
  const families = new Set(known.map(familyOf))
  const set = Object.entries(readFile()).flatMap(([name, value]) => (value === '' ? [] : name))
  return { names: set.filter((name) => families.has(familyOf(name)) && !known.includes(name)), known }
}

function familyOf(name: string): string {
  return name.replace(/_.*/, '')
}

export type DagSettings = Map<string, Record<string, unknown>>

/**
 * The runner's settings and those the given dags declare, at once: throws one UsageError that names every wrong setting
 * and echoes no value.
 *
 * @param found what is known to be wrong already
 */
export function parseSettings(
  env: Environment,
  dags: Iterable<Dag>,
  found: readonly string[] = [],
): { config: Config; settings: DagSettings } {
  const variables = Variables.safeParse(env)
  const issues = [...found, ...(variables.success ? [] : issuesOf(variables.error)), ...halfAdmin(env)]
  const settings: DagSettings = new Map()
  for (const dag of dags) {
    const parsed = z.object(dag.settings).safeParse(env)
    if (parsed.success) settings.set(dag.id, parsed.data)
    else issues.push(...issuesOf(parsed.error))
  }
  if (issues.length > 0 || !variables.success) throw wrongSettings(issues)
  return { config: toConfig(variables.data), settings }
}

/** Where the pipelines are, before anything else is known to be right. */
export function pipelinesDirOf(env: Environment): string {
  return env.PIPELINES_DIR ?? 'pipelines'
}

/** One of the two alone would make nobody an admin, without a word. */
function halfAdmin(env: Environment): string[] {
  if ((env.ADMIN_USER === undefined) === (env.ADMIN_PASSWORD === undefined)) return []
  const [missing, given] =
    env.ADMIN_USER === undefined ? ['ADMIN_USER', 'ADMIN_PASSWORD'] : ['ADMIN_PASSWORD', 'ADMIN_USER']
  return [`${missing} must be set too where ${given} is`]
}

function toConfig(variables: z.output<typeof Variables>): Config {
  const { ADMIN_USER: user, ADMIN_PASSWORD: password } = variables
  return {
    databaseUrl: variables.DATABASE_URL,
    metadataDatabaseUrl: variables.METADATA_DATABASE_URL ?? variables.DATABASE_URL,
    metadataSchema: variables.METADATA_SCHEMA,
    dataDir: variables.DATA_DIR,
    pipelinesDir: variables.PIPELINES_DIR,
    executor: variables.EXECUTOR,
    concurrency: variables.CONCURRENCY,
    web: { host: variables.WEB_HOST, port: variables.WEB_PORT, trustProxy: variables.TRUST_PROXY },
    admin: user === undefined || password === undefined ? undefined : { user, password },
    metrics: variables.METRICS,
    clock: variables.CLOCK,
    log: { level: variables.LOG_LEVEL, format: variables.LOG_FORMAT },
  }
}

function connectionProblem(value: string): string | undefined {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(value)?.[1]?.toLowerCase()
  if (scheme === undefined) return 'must be a Postgres address: postgresql://USER:PASSWORD@HOST:5432/DATABASE'
  if (scheme.startsWith('postgres') && scheme.includes('+')) {
    return `has the scheme "${scheme}://", which is SQLAlchemy's; write "postgresql://" and keep the rest`
  }
  if (scheme !== 'postgres' && scheme !== 'postgresql') return `must begin with postgresql://, not ${scheme}://`
  const rest = value.slice(scheme.length + '://'.length)
  // A password with a # / ? in it can still be read as an address: of another host, its beginning for a port.
  if (/#|^[^?]*\/[^?]*@|\?[^=]*@/.test(rest)) return UNREADABLE
  const port = /^[^/?]*:(\d+)(?=[/?]|$)/.exec(rest)?.[1]
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
    return 'has a port that is none; use one from 1 to 65535'
  return URL.canParse(value.replace('@/', '@localhost/')) ? undefined : UNREADABLE
}

const UNREADABLE = 'cannot be read; write characters like @ : / # ? in the password as %40 %3A %2F %23 %3F'

function issuesOf(error: z.ZodError): string[] {
  return error.issues.map((issue) => `${issue.path.join('.') || 'settings'} ${lower(plain(issue))}`)
}

/** zod repeats the value in some messages; a value may be a secret. */
function plain(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined')) return 'is not set'
  if (issue.code === 'invalid_value' && issue.message.startsWith('Invalid '))
    return `must be one of ${issue.values.map(String).join(', ')}`
  return issue.message
}

function lower(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1)
}

function wrongSettings(issues: string[]): UsageError {
  const unique = [...new Set(issues)]
  const [only] = unique
  const message =
    unique.length === 1
      ? `Wrong setting: ${only}`
      : `${unique.length} wrong settings:\n${unique.map((one) => `  ${one}`).join('\n')}`
  return new UsageError(message, { code: 'config' })
}
