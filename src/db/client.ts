import pg, { type ClientConfig, type DatabaseError, type QueryConfig } from 'pg'
import { boundToTry, currentTry, outsideTries, type RunningTry, runningTries } from '../blame.ts'
import { addAdvice } from './rights.ts'

/** An idle connection sends nothing, so only TCP keep-alive detects that a NAT or a crash has dropped it. */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 }

/**
 * Sent when a connection starts. A database, a role or PGOPTIONS may set other defaults, and pg parses only ISO dates.
 * A pooler accepts only these settings, and client_encoding, which pg itself sends
 * (https://www.pgbouncer.org/config.html#ignore_startup_parameters).
 */
const STARTUP = { DateStyle: 'ISO, MDY', TimeZone: 'UTC', standard_conforming_strings: 'on' }

/** The other settings that our statements and pg's parsers rely on. The server must not close idle sessions. */
const DEFAULTS = {
  default_transaction_isolation: 'read committed',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  array_nulls: 'on',
  transform_null_equals: 'off',
  idle_session_timeout: '0',
}

/** How long the first statements on a connection may take. */
const SETTLE_MS = 5_000
/** How long the server may take to close a connection after our goodbye message. */
const GOODBYE_MS = 2_000

/** Without timeouts, for statements that must not fail while they wait. */
export const NO_LIMITS = { statement_timeout: '0', lock_timeout: '0', transaction_timeout: '0' }

/**
 * Timeouts for the runner's own transactions. If our process hangs or its network fails, the server then releases their
 * locks.
 */
export const NO_IDLE_TRANSACTION = { idle_in_transaction_session_timeout: '20s' }

/**
 * Settings of the connections for the runner's hottest statements. A connection keeps its plans, and a plan made while
 * a table was small would scan or sort the whole table later. With these settings the planner can only use the index.
 * JIT compilation costs more than it saves here.
 */
export const BY_INDEX = {
  ...Object.fromEntries(
    ['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin', 'sort'].map((way) => [`enable_${way}`, 'off']),
  ),
  jit: 'off',
  plan_cache_mode: 'force_generic_plan',
  ...NO_LIMITS,
}

/** Skips settings that this version of Postgres does not have, and sets nothing behind a pooler. */
const SET_DEFAULTS = `select set_config(name, value, false) from json_each_text($1) as given (name, value)
  where pg_backend_pid() = $2 and current_setting(name, true) is not null`

export interface ClientOptions extends ClientConfig {
  /** More settings of the session. Ignored behind a pooler. */
  settings?: Readonly<Record<string, string>> | undefined
  /** True: sends every statement without a name, because a pooler needs that. */
  unnamed?: boolean | undefined
}

/** The statement whose answer a connection waits for. */
export interface ActiveStatement {
  text?: string
}

/** Members that @types/pg lacks. */
interface Untyped {
  processID: number
  connectionParameters: { replication?: string }
  _getActiveQuery(): ActiveStatement | null
  getStartupConf(): Record<string, string>
}

/** A connection that ignores the defaults of the server, the role and the shell. */
export class Client extends pg.Client {
  /** True if the connection goes through a pooler. Known once `settle` has resolved. */
  pooled = false
  readonly #options: ClientOptions
  #emit: pg.Connection['stream']['emit'] | undefined
  #holder: RunningTry | undefined

  constructor(options: ClientOptions = {}) {
    super(withSafeTls(options))
    this.#options = options
    untyped(this).connectionParameters.replication = ''
    if (options.unnamed) this.#dropNames()
    // When no password is available, pg fails but leaves its socket open. That would keep the process alive until the
    // server closes the connection, a minute later.
    this.connection.on('error', () => this.connection.stream.destroy())
    // Without a listener, a connection that breaks between two statements would end the process.
    this.on('error', () => {})
    // This listener runs before pg passes the error to the caller.
    this.connection.on('errorMessage', (error: DatabaseError) => this.#addAdvice(error))
  }

  /** Tries use the connection in turn, so it belongs to none of them. */
  override connect(): Promise<this>
  override connect(callback: (error: Error) => void): void
  override connect(callback?: (error: Error) => void): Promise<this> | undefined {
    return outsideTries(() => super.connect(callback as never) as unknown as Promise<this> | undefined)
  }

  /** Until `giveBack`, events of this connection run in the async context of the try that called this. */
  lend(): void {
    const { stream } = this.connection
    this.#emit ??= stream.emit
    stream.emit = boundToTry(this.#emit)
    this.#holder = currentTry()
  }

  giveBack(): void {
    if (this.#emit) this.connection.stream.emit = this.#emit
    this.#holder = undefined
  }

  /** True if the try that holds this connection has ended. */
  get isLeftBehind(): boolean {
    return this.#holder !== undefined && !runningTries().has(this.#holder)
  }

  getStartupConf(): Record<string, string> {
    return { ...untyped(pg.Client.prototype).getStartupConf.call(this), ...STARTUP }
  }

  /**
   * Sets the session's defaults. Call it once, directly after connecting. A pooler is recognised because it announces a
   * process id that is not the server's. Behind a pooler T-minus sets nothing, because the next client of the pooler
   * would inherit the setting.
   */
  async settle(): Promise<void> {
    const settings = JSON.stringify({ ...DEFAULTS, ...this.#options.settings })
    const values = [settings, untyped(this).processID]
    const { rowCount } = await this.query(withLimit({ text: SET_DEFAULTS, values }, SETTLE_MS))
    this.pooled = rowCount === 0
    if (this.pooled) this.#dropNames()
  }

  get activeStatement(): ActiveStatement | null {
    return untyped(this)._getActiveQuery()
  }

  /** Closes the socket at once. The statements on this connection fail with `error`. */
  destroy(error: Error): void {
    this.connection.stream.destroy(error)
  }

  /** Sends a goodbye message to the server, and closes the socket if the server does not. */
  override end(): Promise<void>
  override end(callback: (error: Error) => void): void
  override end(callback?: (error: Error) => void): Promise<void> | void {
    const timer = setTimeout(() => this.connection.stream.destroy(), GOODBYE_MS).unref()
    this.once('end', () => clearTimeout(timer))
    return callback ? super.end(callback) : super.end()
  }

  #addAdvice(error: DatabaseError): void {
    const { user: role, database } = this
    addAdvice(error, { role, database, statement: this.activeStatement?.text })
  }

  /**
   * Behind a pooler, the next statement may use another server connection, which may not know the statement's name or
   * may use it differently.
   */
  #dropNames(): void {
    const query = this.query.bind(this) as (...args: unknown[]) => unknown
    this.query = ((statement: unknown, ...rest: unknown[]) => query(withoutName(statement), ...rest)) as never
  }
}

/** A statement that fails after `ms`. Its connection must be closed then, because the answer may still arrive. */
export function withLimit(statement: QueryConfig, ms: number): QueryConfig & { query_timeout: number } {
  return { ...statement, query_timeout: ms }
}

function withoutName(statement: unknown): unknown {
  return typeof statement === 'object' && statement && 'name' in statement ? { ...statement, name: '' } : statement
}

function untyped(client: object): Untyped {
  return client as Untyped
}

function withSafeTls(options: ClientOptions): ClientOptions {
  const connectionString = options.connectionString && asVerifyFull(options.connectionString)
  return withoutDirectTls({ ...options, ...(connectionString && { connectionString }) })
}

/** pg treats these modes as verify-full, but warns on standard error that a later version will not. */
function asVerifyFull(address: string): string {
  if (/[?&]uselibpqcompat=true/.test(address)) return address
  return address.replace(/([?&]sslmode=)(prefer|require|verify-ca)(?=&|$)/, '$1verify-full')
}

/** With TLS off, pg rejects PGSSLNEGOTIATION=direct, which the shell may set for another server. */
function withoutDirectTls(options: ClientOptions): ClientOptions {
  const isTlsOff = options.ssl === false || /[?&]sslmode=disable(&|$)/.test(options.connectionString ?? '')
  return isTlsOff ? { ...options, sslnegotiation: 'postgres' } : options
}
