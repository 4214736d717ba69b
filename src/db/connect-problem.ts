export interface Address {
  host: string
  port: number
  database?: string | undefined
  user?: string | undefined
  /** The setting it comes from. With `POSTGRES_HOST` its parts are settings of their own. */
  setting?: string
}

export interface Problem {
  /** What is wrong, and what to do. */
  sentence: string
  /** True where the address is wrong: to try again cannot help. */
  isAddress: boolean
}

/** Why a connection could not be made. @param address undefined where it cannot be read */
export function explain(error: Error, address: Address | undefined): Problem {
  if (address === undefined) return wrong(`the address cannot be used: ${error.message}${adviceOnFile(error)}`)
  const failure = { code: codeOf(error), message: error.message, error }
  return (
    ofTls(failure, address) ?? ofNetwork(failure, address) ?? ofServer(failure, address) ?? unknown(failure, address)
  )
}

interface Failure {
  /** Node's or OpenSSL's, or Postgres' SQLSTATE. */
  code: string | undefined
  /** Postgres' own may be in another language. */
  message: string
  error: Error
}

const wrong = (sentence: string): Problem => ({ sentence, isAddress: true })
const unreachable = (sentence: string): Problem => ({ sentence, isAddress: false })

/** One host may have several addresses, and an error for each. */
function codeOf(error: Error): string | undefined {
  const first = error instanceof AggregateError ? error.errors[0] : error
  return first instanceof Error && 'code' in first && typeof first.code === 'string' ? first.code : undefined
}

function placeOf({ host, port }: Address): string {
  return `${host}:${port}`
}

function unknown({ message }: Failure, address: Address): Problem {
  return unreachable(`cannot use the database at ${placeOf(address)}: ${message}`)
}

function adviceOnFile({ message }: Error): string {
  if (/open 'system'/.test(message)) return '; leave sslrootcert=system out, Node has the well-known authorities'
  return /ENOENT|EACCES|EISDIR/.test(message) ? '; correct sslrootcert, sslcert or sslkey' : ''
}

const UNKNOWN_AUTHORITY =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(_LOCALLY)?)|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE)$/
const NO_VERIFY = 'sslmode=no-verify encrypts without checking it'

function ofTls({ code = '', message, error }: Failure, address: Address): Problem | undefined {
  const certificate = `the certificate of the server at ${placeOf(address)}`
  if (UNKNOWN_AUTHORITY.test(code))
    return wrong(
      `${certificate} is self-signed, or of an authority that is not known here; add sslrootcert=FILE, the certificate of that authority, to the address (${NO_VERIFY})`,
    )
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = namesIn(error)
    return wrong(
      `${certificate} is for ${names}, not for "${address.host}"; connect by a name that it is for (${NO_VERIFY})`,
    )
  }
  if (code === 'CERT_HAS_EXPIRED') return wrong(`${certificate} has expired; renew it there (${NO_VERIFY})`)
  if (code === 'CERT_NOT_YET_VALID') return wrong(`${certificate} is not valid yet; check the clocks of both machines`)
  if (/server does not support SSL/i.test(message))
    return wrong(
      `the server at ${placeOf(address)} does not offer TLS; set ssl = on there, or sslmode=disable in the address where you trust the network`,
    )
  if (/PEM|ERR_OSSL/.test(`${code} ${message}`))
    return wrong(`sslrootcert, sslcert or sslkey does not hold what it should: ${message}; name PEM files`)
  if (/SSL connection|^EPROTO$|^ERR_SSL/.test(`${code} ${message}`))
    return unreachable(`no TLS with what listens at ${placeOf(address)} (${message}); check host and port`)
  return undefined
}

function namesIn(error: Error): string {
  const certificate = 'cert' in error ? (error.cert as { subjectaltname?: string; subject?: { CN?: string } }) : {}
  return certificate.subjectaltname || certificate.subject?.CN || 'other names'
}

function ofNetwork({ code, message }: Failure, address: Address): Problem | undefined {
  const { host } = address
  const at = placeOf(address)
  switch (code) {
    case 'ENOTFOUND':
      if (/,/.test(host))
        return wrong(`"${host}" are several hosts, and only one can be named: the primary, or a proxy before them`)
      return wrong(`host "${host}" is unknown; check the spelling`)
    case 'EAI_AGAIN':
      return unreachable(`host "${host}" cannot be looked up just now; check the network`)
    case 'ECONNREFUSED':
    case 'ENOENT': // a Unix socket that is not there
    case 'ENOTDIR':
      return unreachable(`nothing listens at ${at}; start Postgres there or check host and port`)
    case 'EACCES':
    case 'EPERM':
      return unreachable(
        `this user may not connect to ${at}; check the rights of the socket and its folder, or firewall`,
      )
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return unreachable(`no way leads to ${at} (${code}); check host and network`)
  }
  if (/timeout/i.test(message) || code === 'ETIMEDOUT')
    return unreachable(`no answer from ${at} within 10 s; check host, port and firewall`)
  if (/received invalid response|Unknown authentication|invalid message/i.test(message))
    return unreachable(`what listens at ${at} does not speak Postgres' protocol (${message}); check host and port`)
  if (/connection terminated|socket hang up/i.test(message) || code === 'ECONNRESET' || code === 'EPIPE')
    return unreachable(`what listens at ${at} hung up; check that it is Postgres, and its log`)
  return undefined
}

const OF_ADDRESS = {
  onNoPassword: 'write postgresql://USER:PASSWORD@…',
  onWrongPassword: 'check user and password, and whether it has expired',
}

/** Compose's database is made with the first password; a new one in `.env` changes nothing in it. */
const OF_PARTS = {
  onNoPassword: 'set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE',
  onWrongPassword:
    'check POSTGRES_USER and POSTGRES_PASSWORD. A volume keeps the password that its database was made with: set that one, or change it in the database (docs/operations.md)',
}

/** SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html; 08P01 is a pooler's. */
function ofServer({ code, message }: Failure, address: Address): Problem | undefined {
  const { database, user } = address
  const at = placeOf(address)
  const advice = address.setting === 'POSTGRES_HOST' ? OF_PARTS : OF_ADDRESS
  if (/password must be a|no password supplied/i.test(message))
    return wrong(`the server at ${at} asks for a password and the address has none; ${advice.onNoPassword}`)
  switch (code) {
    case '28P01':
      return wrong(`the password for user "${user}" was not accepted at ${at}; ${advice.onWrongPassword}`)
    case '28000':
      return wrong(notAdmitted(message, address))
    case '3D000':
      return wrong(`database "${database}" does not exist at ${at}; create it (createdb ${database}) or name another`)
    case '55000':
      return wrong(`${message}; name another database, or ALTER DATABASE ${database} ALLOW_CONNECTIONS true`)
    case '42501':
      return wrong(message)
    case '53300':
      return unreachable(
        `the server at ${at} has no connection left (${message}); end other sessions, or raise max_connections or the limit of the role or database`,
      )
    case '57P03':
    case '57P01':
    case '57P02':
      return unreachable(`the server at ${at} does not accept connections now (${message}); try again in a moment`)
    case '08P01':
      if (/no such (database|user)/i.test(message))
        return wrong(`the pooler at ${at} does not know it (${message}); add it to the pooler's settings`)
  }
  return undefined
}

/** What a missing line of pg_hba.conf, or a role, keeps out. */
function notAdmitted(message: string, address: Address): string {
  const { user, database } = address
  const at = placeOf(address)
  if (/no encryption|SSL off/.test(message))
    return `the server at ${at} does not admit user "${user}" to database "${database}" without TLS; add sslmode=require to the address, or a line to its pg_hba.conf`
  if (/no pg_hba\.conf entry/.test(message))
    return `the server at ${at} has no line for user "${user}" and database "${database}" from this machine in its pg_hba.conf; add one and reload it`
  if (/client certificate|certificate authentication/i.test(message))
    return `the server at ${at} asks for a client certificate; add sslcert=FILE and sslkey=FILE to the address`
  if (/^role .* does not exist/.test(message))
    return `user "${user}" does not exist at ${at}; create it (createuser --pwprompt ${user}) or name another`
  if (/not permitted to log in/.test(message))
    return `user "${user}" may not log in at ${at}; ALTER ROLE ${user} LOGIN, or name another`
  if (/^(peer|ident) authentication/i.test(message))
    return `the server at ${at} knows user "${user}" by the system's user of that name; name that one, or connect by host and password`
  return `user "${user}" may not connect at ${at}; check the user, or the server's pg_hba.conf`
}
