import pg, { type ClientConfig, type DatabaseError } from 'pg'
import { addAdvice } from './rights.ts'

/** Over a connection that waits nothing is sent: only this tells of one that was dropped on the way, by a NAT or a crash. */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 }

/**
 * Sent with every connection: a database, a role or PGOPTIONS may set other defaults, and pg reads only ISO dates.
 * A pooler accepts no others than these and client_encoding, which pg itself sends
 * (https://www.pgbouncer.org/config.html#ignore_startup_parameters).
 */
const STARTUP = { DateStyle: 'ISO, MDY', TimeZone: 'UTC', standard_conforming_strings: 'on' }

/** The other defaults that our statements and pg's parsers rely on. A connection that waits is ours to close. */
const DEFAULTS = {
  default_transaction_isolation: 'read committed',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  array_nulls: 'on',
  transform_null_equals: 'off',
  idle_session_timeout: '0',
}

/** For statements that must not fail for having waited. */
export const NO_LIMITS = { statement_timeout: '0', lock_timeout: '0', transaction_timeout: '0' }

/** Skips a setting that this version of Postgres does not know. */
const SET_DEFAULTS = `select set_config(name, value, false) from json_each_text($1) as given (name, value)
  where pg_backend_pid() = $2 and current_setting(name, true) is not null`

export interface ClientOptions extends ClientConfig {
  /** More settings of the session. Not set behind a pooler. */
  settings?: Readonly<Record<string, string>> | undefined
  /** Sends every statement without its name, as behind a pooler. */
  unnamed?: boolean | undefined
}

/** What @types/pg leaves out. */
interface Untyped {
  processID: number
  connectionParameters: { replication?: string }
  _getActiveQuery(): { text?: string } | null
  getStartupConf(): Record<string, string>
}

/** A connection that behaves the same whatever the defaults of server, role and shell are. */
export class Client extends pg.Client {
  /** True where a pooler is at the other end. Known once `settle` has resolved. */
  pooled = false
  readonly #options: ClientOptions

  constructor(options: ClientOptions = {}) {
    super(withSafeTls(options))
    this.#options = options
    untyped(this).connectionParameters.replication = ''
    if (options.unnamed) this.#dropNames()
    // pg leaves a connection open that it gives up by itself, for want of a password; the process would stay until
    // the server hangs up, a minute later.
    this.connection.on('error', () => this.connection.stream.destroy())
    // Before pg itself hands the error on.
    this.connection.on('errorMessage', (error: DatabaseError) => this.#addAdvice(error))
  }

  getStartupConf(): Record<string, string> {
    return { ...untyped(pg.Client.prototype).getStartupConf.call(this), ...STARTUP }
  }

  /**
   * Sets the session's defaults; to be called once, as soon as it is connected. A pooler is recognised by the process
   * id it announced, which is not the server's. Nothing is set behind one: its next client would inherit it.
   */
  async settle(): Promise<void> {
    const settings = JSON.stringify({ ...DEFAULTS, ...this.#options.settings })
    const { rowCount } = await this.query(SET_DEFAULTS, [settings, untyped(this).processID])
    this.pooled = rowCount === 0
    if (this.pooled) this.#dropNames()
  }

  #addAdvice(error: DatabaseError): void {
    const { user: role, database } = this
    addAdvice(error, { role, database, statement: untyped(this)._getActiveQuery()?.text })
  }

  /** Behind a pooler the next statement may meet a connection where its name is taken, or unknown. */
  #dropNames(): void {
    const query = this.query.bind(this) as (...args: unknown[]) => unknown
    this.query = ((statement: unknown, ...rest: unknown[]) => query(withoutName(statement), ...rest)) as never
  }
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

/** pg takes these modes for verify-full, but warns on standard error that a later version will not. */
function asVerifyFull(address: string): string {
  if (/[?&]uselibpqcompat=true/.test(address)) return address
  return address.replace(/([?&]sslmode=)(prefer|require|verify-ca)(?=&|$)/, '$1verify-full')
}

/** pg refuses PGSSLNEGOTIATION=direct, which the shell may set for another server, where TLS is off. */
function withoutDirectTls(options: ClientOptions): ClientOptions {
  const isTlsOff = options.ssl === false || /[?&]sslmode=disable(&|$)/.test(options.connectionString ?? '')
  return isTlsOff ? { ...options, sslnegotiation: 'postgres' } : options
}
