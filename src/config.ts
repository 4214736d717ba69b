import { z } from 'zod'
import type { Dag } from './dag/dag.ts'
import { addressOf, HOST, NO_SCHEMA_NAME, SCHEMA_NAME } from './database-address.ts'
import { readEnvFile, readSecretFile } from './env-file.ts'
import { messageOf, UsageError } from './errors.ts'
import { connectionString, flag, instant, needsEnvironment, queueNames, wholeNumber } from './setting-types.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export const DEFAULT_WEB_PORT = 8080

/** The runner's settings. A pipeline declares its own settings in the dag's `settings`. */
const Variables = z.object({
  DATABASE_URL: connectionString.optional(),
  METADATA_DATABASE_URL: connectionString.optional(),
  DIRECT_DATABASE_URL: connectionString.optional(),
  POSTGRES_HOST: z.string().regex(HOST, 'must be a host name, an IP address or the folder of a Unix socket').optional(),
  POSTGRES_PORT: wholeNumber(1, 65_535).default(5432),
  POSTGRES_USER: z.string().default('tminus'),
  POSTGRES_PASSWORD: z.string().optional(),
  POSTGRES_PASSWORD_FILE: z.string().optional(),
  POSTGRES_DB: z
    .string()
    .regex(/^[^?#]*$/, 'must not contain ? or #')
    // A URL drops such parts.
    .regex(/^(?!(.*\/)?\.{1,2}(\/|$))/s, 'must not be . or .., nor have such a part between slashes')
    .default('tminus'),
  METADATA_SCHEMA: z.string().regex(SCHEMA_NAME, NO_SCHEMA_NAME).default('metadata'),
  WORKER_SCHEMA: z.string().regex(SCHEMA_NAME, NO_SCHEMA_NAME).default('tminus_worker'),
  DATA_DIR: z.string().default('.data'),
  PIPELINES_DIR: z.string().default('pipelines'),
  EXECUTOR: z.enum(['local', 'distributed'], "must be 'local' or 'distributed'").default('local'),
  CONCURRENCY: wholeNumber(1, 1_000).default(4),
  WORKER_QUEUES: queueNames.optional(),
  ISOLATION: z.enum(['asked', 'all', 'none'], "must be 'asked', 'all' or 'none'").default('asked'),
  WEB_HOST: z.string().default('127.0.0.1'),
  WEB_PORT: wholeNumber(0, 65_535).default(DEFAULT_WEB_PORT),
  ADMIN_USER: z.string().optional(),
  ADMIN_PASSWORD: z.string().optional(),
  ADMIN_PASSWORD_FILE: z.string().optional(),
  WATCH: flag,
  METRICS: flag,
  TRUST_PROXY: flag,
  CLOCK: instant.optional(),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  LOG_FORMAT: z.enum(['auto', 'pretty', 'json']).default('auto'),
})

export interface Config {
  /** Undefined: the embedded Postgres under `dataDir`. */
  databaseUrl: string | undefined
  /** The setting that `databaseUrl` comes from. */
  databaseSetting: 'DATABASE_URL' | 'POSTGRES_HOST'
  metadataDatabaseUrl: string | undefined
  /** The metadata database without the pooler in front of it. */
  directDatabaseUrl: string | undefined
  metadataSchema: string
  /** The schema of graphile-worker's tables, which only `executor: 'distributed'` uses. */
  workerSchema: string
  dataDir: string
  pipelinesDir: string
  executor: 'local' | 'distributed'
  concurrency: number
  /** The queues that a worker serves. Undefined: all queues of the loaded dags. */
  workerQueues: readonly string[] | undefined
  /** The tries that run in a child process: `asked` (tasks with `isolate`, and suspects), `all` or `none`. */
  isolation: 'asked' | 'all' | 'none'
  web: { host: string; port: number; trustProxy: boolean }
  /** A process that loads changed dags replaces `start`, `scheduler` or `worker`. */
  reload: boolean
  admin: { user: string; password: string } | undefined
  metrics: boolean
  clock: Date | undefined
  log: { level: 'debug' | 'info' | 'warn' | 'error' | 'silent'; format: 'auto' | 'pretty' | 'json' }
}

/**
 * The environment, plus the variables in `.env` of the current folder. An empty variable counts as unset. No other code
 * reads the environment or `.env`. A password from a file (`POSTGRES_PASSWORD_FILE`) is returned under its own name
 * (`POSTGRES_PASSWORD`).
 *
 * Throws UsageError if `.env` exists and cannot be read.
 */
export function readEnvironment(options: { file?: boolean } = {}): Environment {
  const file = (options.file ?? true) ? readEnvFile().values : {}
  const merged: Record<string, string | undefined> = { ...file, ...process.env }
  const set = Object.entries(merged).filter(([, value]) => value !== undefined && value !== '')
  return withSecretFiles(Object.fromEntries(set))
}

/** All variables of this process as one text, to detect a change. */
export function environmentText(): string {
  return JSON.stringify(process.env)
}

/** Line breaks at the end are not part of the password. The Postgres image keeps a CR there, so this does too. */
const SECRET_FILES = { POSTGRES_PASSWORD: /\n+$/, ADMIN_PASSWORD: /[\r\n]+$/ }

function withSecretFiles(env: Environment): Environment {
  const result = { ...env }
  for (const [name, newlinesAtEnd] of Object.entries(SECRET_FILES)) {
    const path = env[`${name}_FILE`]
    if (path === undefined || env[name] !== undefined) continue
    const read = readSecretFile(path, newlinesAtEnd)
    if (!('value' in read)) continue
    result[name] = read.value
    delete result[`${name}_FILE`]
  }
  return result
}

export interface SettingNames {
  /** Names in `.env` that are not settings, but begin with the first word of a setting: probably misspelt. */
  unknown: string[]
  /** Names in `.env` or the environment that differ from a setting only in case, or in `-` or `.` for `_`. */
  miswritten: string[]
  known: string[]
}

/** Names that have no effect. Ignores the settings of other programs in the environment. */
export function findUnreadSettings(dags: Iterable<Dag>): SettingNames {
  const declared = [...dags].flatMap((dag) => [...Object.keys(dag.settings), ...namedVariables(dag)])
  const known = [...Object.keys(Variables.shape), ...declared]
  const families = new Set(known.map(familyOf))
  const set = (from: Environment) => Object.keys(from).filter((name) => from[name] !== '' && !known.includes(name))
  const inFile = set(readEnvFile().values)
  const miswritten = new Set([...inFile, ...set(process.env)].filter((name) => known.includes(asSetting(name))))
  const unknown = inFile.filter((name) => families.has(familyOf(name)) && !miswritten.has(name))
  return { unknown, miswritten: [...miswritten], known }
}

/** The variables that a setting names, such as those of the webhooks in a channels file. */
function namedVariables(dag: Dag): string[] {
  const names: string[] = []
  const get = (env: Environment, name: string) => {
    names.push(name)
    return env[name]
  }
  readDagSettings(new Proxy(readEnvironment(), { get: (env, name) => get(env, String(name)) }), dag)
  return names
}

/** The name in the spelling of a setting: `web-port` → `WEB_PORT`. */
export function asSetting(name: string): string {
  return name.toUpperCase().replaceAll(/[-.]/g, '_')
}

function familyOf(name: string): string {
  return asSetting(name).replace(/_.*/, '')
}

export type DagSettings = Map<string, Record<string, unknown>>

/**
 * Parses the runner's settings and those of the given dags together. Throws one UsageError that names every wrong
 * setting and repeats no value.
 *
 * @param found problems that the caller already found
 */
export function parseSettings(
  env: Environment,
  dags: Iterable<Dag>,
  found: readonly string[] = [],
): { config: Config; settings: DagSettings } {
  const variables = Variables.safeParse(env)
  const issues = [...found, ...(variables.success ? [] : issuesOf(variables.error)), ...contradictions(env)]
  const settings: DagSettings = new Map()
  for (const dag of dags) {
    const read = readDagSettings(env, dag)
    if ('issues' in read) issues.push(...read.issues)
    else settings.set(dag.id, read.settings)
  }
  if (issues.length > 0 || !variables.success) throw wrongSettings(issues)
  return { config: toConfig(variables.data), settings }
}

/** The parsed settings of a dag, or the problems in them. */
export function readDagSettings(
  env: Environment,
  dag: Dag,
): { settings: Record<string, unknown> } | { issues: string[] } {
  try {
    const parsed = z.object(dag.settings).safeParse(inputsOf(env, dag))
    return parsed.success ? { settings: parsed.data } : { issues: issuesOf(parsed.error) }
  } catch (error) {
    return { issues: [`the settings of dag '${dag.id}' cannot be read: ${messageOf(error)}`] }
  }
}

/** The variables that are set, by the names of the schemas. See `fromEnvironment`. */
function inputsOf(env: Environment, { settings }: Dag): Record<string, unknown> {
  const set = Object.entries(settings).filter(([name]) => env[name] !== undefined)
  return Object.fromEntries(set.map(([name, schema]) => [name, needsEnvironment(schema) ? env : env[name]]))
}

/** PIPELINES_DIR, read before the other settings are checked. */
export function pipelinesDirOf(env: Environment): string {
  return env.PIPELINES_DIR ?? 'pipelines'
}

/** Problems between settings that are each valid. */
function contradictions(env: Environment): string[] {
  const both = env.DATABASE_URL !== undefined && env.POSTGRES_HOST !== undefined
  const isShared = env.WORKER_SCHEMA !== undefined && env.WORKER_SCHEMA === (env.METADATA_SCHEMA ?? 'metadata')
  return [
    ...(both ? ['DATABASE_URL and POSTGRES_HOST both name a database; unset one of them'] : []),
    ...(env.POSTGRES_HOST === undefined ? [] : secretFileProblem(env, 'POSTGRES_PASSWORD')),
    ...secretFileProblem(env, 'ADMIN_PASSWORD'),
    ...halfAdmin(env),
    ...directWithoutDatabase(env),
    ...(isShared ? ['WORKER_SCHEMA and METADATA_SCHEMA name the same schema; set another one'] : []),
  ]
}

/** If `readEnvironment` could read the file, it removed `NAME_FILE` from `env`. */
function secretFileProblem(env: Environment, name: keyof typeof SECRET_FILES): string[] {
  const path = env[`${name}_FILE`]
  if (path === undefined) return []
  if (env[name] !== undefined) return [`${name} and ${name}_FILE are both set; unset one of them`]
  const read = readSecretFile(path, SECRET_FILES[name])
  return 'problem' in read ? [`${name}_FILE ${read.problem}`] : []
}

/** If only one of the two is set, T-minus would create no admin and report nothing, so this is an error. */
function halfAdmin({ ADMIN_USER: user, ADMIN_PASSWORD, ADMIN_PASSWORD_FILE }: Environment): string[] {
  const password = ADMIN_PASSWORD ?? ADMIN_PASSWORD_FILE
  if ((user === undefined) === (password === undefined)) return []
  return user === undefined
    ? ['ADMIN_USER must be set, because ADMIN_PASSWORD is set']
    : ['ADMIN_PASSWORD must be set, because ADMIN_USER is set']
}

function directWithoutDatabase(env: Environment): string[] {
  const isAlone = env.DIRECT_DATABASE_URL && !(env.METADATA_DATABASE_URL ?? env.DATABASE_URL ?? env.POSTGRES_HOST)
  return isAlone ? ['DATABASE_URL must be set, because DIRECT_DATABASE_URL is set'] : []
}

function toConfig(variables: z.output<typeof Variables>): Config {
  const { ADMIN_USER: user, ADMIN_PASSWORD: password } = variables
  const databaseUrl = variables.DATABASE_URL ?? addressOfParts(variables)
  return {
    databaseUrl,
    databaseSetting: variables.POSTGRES_HOST === undefined ? 'DATABASE_URL' : 'POSTGRES_HOST',
    metadataDatabaseUrl: variables.METADATA_DATABASE_URL ?? databaseUrl,
    directDatabaseUrl: variables.DIRECT_DATABASE_URL,
    metadataSchema: variables.METADATA_SCHEMA,
    workerSchema: variables.WORKER_SCHEMA,
    dataDir: variables.DATA_DIR,
    pipelinesDir: variables.PIPELINES_DIR,
    executor: variables.EXECUTOR,
    concurrency: variables.CONCURRENCY,
    workerQueues: variables.WORKER_QUEUES,
    isolation: variables.ISOLATION,
    web: { host: variables.WEB_HOST, port: variables.WEB_PORT, trustProxy: variables.TRUST_PROXY },
    reload: variables.WATCH,
    admin: user === undefined || password === undefined ? undefined : { user, password },
    metrics: variables.METRICS,
    clock: variables.CLOCK,
    log: { level: variables.LOG_LEVEL, format: variables.LOG_FORMAT },
  }
}

/** Only POSTGRES_HOST selects the parts; a checkout's `.env` may set the others for Docker Compose. */
function addressOfParts(variables: z.output<typeof Variables>): string | undefined {
  if (variables.POSTGRES_HOST === undefined) return undefined
  return addressOf({
    host: variables.POSTGRES_HOST,
    port: variables.POSTGRES_PORT,
    user: variables.POSTGRES_USER,
    password: variables.POSTGRES_PASSWORD,
    database: variables.POSTGRES_DB,
  })
}

function issuesOf(error: z.ZodError): string[] {
  return error.issues.map((issue) => `${issue.path.join('.') || 'settings'} ${lower(plain(issue))}`)
}

/** Some messages of zod repeat the value, which may be a secret. */
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
