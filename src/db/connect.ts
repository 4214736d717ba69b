import pg from 'pg'
import { TminusError, UsageError } from '../errors.ts'
import type { Database } from './pool.ts'

/**
 * Asks the database for a sign of life. Throws an error whose sentence says what is wrong with the address:
 * UsageError where the address itself is, TminusError `database_unreachable` where the server may just be down.
 *
 * @param name the setting to name: `DATABASE_URL`, `POSTGRES_HOST` or `METADATA_DATABASE_URL`
 */
export async function checkConnection(db: Database, name: string): Promise<void> {
  try {
    await db.query('select 1')
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, name, addressOf(db))
  }
}

interface Address {
  host: string
  port: number
  database?: string | undefined
  user?: string | undefined
}

/** A pool keeps the address as it was given; a client, which connects to nothing yet, has read it. */
function addressOf(db: Database): Address | undefined {
  try {
    return new pg.Client(db.options)
  } catch {
    return undefined
  }
}

/** Codes: Node's for the network, Postgres' SQLSTATE for the rest. */
function explain(error: NodeJS.ErrnoException, name: string, address: Address | undefined): TminusError {
  if (address === undefined) return wrong(name, `the address cannot be used: ${error.message}`, error)
  const { host, port, database, user } = address
  const at = `${host}:${port}`
  const code =
    error.code ?? (error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException)?.code : undefined)
  switch (code) {
    case 'ENOTFOUND':
      return wrong(name, `host "${host}" is unknown; check the spelling`, error)
    case '28P01':
      return wrong(name, `the password for user "${user}" was not accepted at ${at}; ${wordsOf(name).login}`, error)
    case '28000':
      return wrong(name, `user "${user}" may not connect at ${at}; check the user, or the server's pg_hba.conf`, error)
    case '3D000':
      return wrong(
        name,
        `database "${database}" does not exist at ${at}; create it (createdb ${database}) or name another`,
        error,
      )
    case 'ECONNREFUSED':
    case 'ENOENT': // a Unix socket that is not there
      return unreachable(name, `nothing listens at ${at}; start Postgres there or check host and port`, error)
    case 'EAI_AGAIN':
      return unreachable(name, `host "${host}" cannot be looked up just now; check the network`, error)
  }
  if (/password must be a string|no password supplied/i.test(error.message)) {
    return wrong(
      name,
      `the server at ${at} asks for a password and the address has none; ${wordsOf(name).password}`,
      error,
    )
  }
  if (/timeout/i.test(error.message) || code === 'ETIMEDOUT') {
    return unreachable(name, `no answer from ${at} within 10 s; check host, port and firewall`, error)
  }
  return unreachable(name, `cannot use the database at ${at}: ${error.message}`, error)
}

interface SettingWords {
  /** What to do about a login that was refused. */
  login: string
  /** How to set a password. */
  password: string
}

const OF_ADDRESS: SettingWords = { login: 'check user and password', password: 'write postgresql://USER:PASSWORD@…' }

/** Of Compose's database: it is made with the first password, and a new one in `.env` changes nothing in it. */
const OF_PARTS: SettingWords = {
  login:
    'check POSTGRES_USER and POSTGRES_PASSWORD. A volume keeps the password that its database was made with: set that one, or change it in the database (docs/operations.md)',
  password: 'set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE',
}

const wordsOf = (name: string) => (name === 'POSTGRES_HOST' ? OF_PARTS : OF_ADDRESS)

function wrong(name: string, problem: string, cause: Error): UsageError {
  return new UsageError(`${name}: ${problem}`, { code: 'database_address', cause })
}

function unreachable(name: string, problem: string, cause: Error): TminusError {
  return new TminusError(`${name}: ${problem}`, { code: 'database_unreachable', cause })
}
