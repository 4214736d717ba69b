export interface Address {
  host: string
  port: number
  database?: string | undefined
  user?: string | undefined
  /**
   * The name of the setting that contains the address. With `POSTGRES_HOST` each part of the address has its own
   * setting.
   */
  setting?: string
}

export interface Problem {
  /** The problem and its solution. */
  sentence: string
  /** True if the address is wrong, so a retry cannot help. */
  isAddress: boolean
}

/** Explains why a connection failed. @param address undefined if it cannot be parsed */
export function explain(error: Error, address: Address | undefined): Problem {
  if (address === undefined) return wrong(`the address cannot be used: ${error.message}${adviceOnFile(error)}`)
  const failure = { code: codeOf(error), message: error.message, error }
  return (
    ofTls(failure, address) ?? ofNetwork(failure, address) ?? ofServer(failure, address) ?? unknown(failure, address)
  )
}

interface Failure {
  /** A code of Node or OpenSSL, or the SQLSTATE of Postgres. */
  code: string | undefined
  /** A message of Postgres may be in another language. */
  message: string
  error: Error
}

const wrong = (sentence: string): Problem => ({ sentence, isAddress: true })
const unreachable = (sentence: string): Problem => ({ sentence, isAddress: false })

/** A host with several addresses gives one error for each. */
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
  if (/open 'system'/.test(message)) return '; remove sslrootcert=system, because Node has the well-known authorities'
  return /ENOENT|EACCES|EISDIR/.test(message) ? '; correct sslrootcert, sslcert or sslkey' : ''
}

const UNKNOWN_AUTHORITY =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(_LOCALLY)?)|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE)$/
const NO_VERIFY = 'sslmode=no-verify encrypts without checking the certificate'

function ofTls({ code = '', message, error }: Failure, address: Address): Problem | undefined {
  const certificate = `the certificate of the server at ${placeOf(address)}`
  if (UNKNOWN_AUTHORITY.test(code))
    return wrong(
      `${certificate} is self-signed or issued by an unknown authority; add sslrootcert=FILE, with the certificate of that authority, to the address (${NO_VERIFY})`,
    )
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = namesIn(error)
    return wrong(
      `${certificate} is valid for ${names}, not for "${address.host}"; connect by a name that it is valid for (${NO_VERIFY})`,
    )
  }
  if (code === 'CERT_HAS_EXPIRED') return wrong(`${certificate} has expired; renew it on the server (${NO_VERIFY})`)
  if (code === 'CERT_NOT_YET_VALID') return wrong(`${certificate} is not valid yet; check the clocks of both machines`)
  if (/server does not support SSL/i.test(message))
    return wrong(
      `the server at ${placeOf(address)} does not offer TLS; set ssl = on in its configuration, or, if you trust the network, sslmode=disable in the address`,
    )
  if (/PEM|ERR_OSSL/.test(`${code} ${message}`))
    return wrong(`sslrootcert, sslcert or sslkey is not a valid PEM file: ${message}; name PEM files`)
  if (/SSL connection|^EPROTO$|^ERR_SSL/.test(`${code} ${message}`))
    return unreachable(`the server at ${placeOf(address)} failed the TLS handshake (${message}); check host and port`)
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
        return wrong(
          `"${host}" names several hosts, but only one is supported: name the primary, or a proxy in front of them`,
        )
      return wrong(`host "${host}" is unknown; check the spelling`)
    case 'EAI_AGAIN':
      return unreachable(`host "${host}" cannot be looked up now; check the network`)
    case 'ECONNREFUSED':
    case 'ENOENT': // a missing Unix socket
    case 'ENOTDIR':
      return unreachable(`nothing listens at ${at}; start Postgres there or check host and port`)
    case 'EACCES':
    case 'EPERM':
      return unreachable(
        `this user may not connect to ${at}; check the permissions of the socket and its folder, or the firewall`,
      )
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return unreachable(`no network route leads to ${at} (${code}); check host and network`)
  }
  if (/timeout/i.test(message) || code === 'ETIMEDOUT')
    return unreachable(`no answer from ${at} within 10 s; check host, port and firewall`)
  if (/received invalid response|Unknown authentication|invalid message/i.test(message))
    return unreachable(`the server at ${at} does not speak Postgres' protocol (${message}); check host and port`)
  if (/connection terminated|socket hang up/i.test(message) || code === 'ECONNRESET' || code === 'EPIPE')
    return unreachable(`the server at ${at} closed the connection; check that it is Postgres, and read its log`)
  return undefined
}

const OF_ADDRESS = {
  onNoPassword: 'write postgresql://USER:PASSWORD@…',
  onWrongPassword: 'check user and password, and whether it has expired',
}

/**
 * Docker Compose creates the database with the first password. A new password in `.env` does not change the database.
 */
const OF_PARTS = {
  onNoPassword: 'set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE',
  onWrongPassword:
    'check POSTGRES_USER and POSTGRES_PASSWORD. A volume keeps the password that its database was created with: set that one, or change it in the database (docs/operations.md)',
}

/** SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html; 08P01 comes from a pooler. */
function ofServer({ code, message }: Failure, address: Address): Problem | undefined {
  const { database, user } = address
  const at = placeOf(address)
  const advice = address.setting === 'POSTGRES_HOST' ? OF_PARTS : OF_ADDRESS
  if (/password must be a|no password supplied/i.test(message))
    return wrong(`the server at ${at} requires a password and the address has none; ${advice.onNoPassword}`)
  switch (code) {
    case '28P01':
      return wrong(`the server at ${at} rejected the password of user "${user}"; ${advice.onWrongPassword}`)
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
        `the server at ${at} has no free connection (${message}); end other sessions, or raise max_connections or the limit of the role or database`,
      )
    case '57P03':
    case '57P01':
    case '57P02':
      return unreachable(`the server at ${at} does not accept connections now (${message}); try again in a moment`)
    case '08P01':
      if (/no such (database|user)/i.test(message))
        return wrong(`the pooler at ${at} rejected the address (${message}); add it to the pooler's settings`)
  }
  return undefined
}

/** The server rejected the user: pg_hba.conf has no matching line, or the role does not allow it. */
function notAdmitted(message: string, address: Address): string {
  const { user, database } = address
  const at = placeOf(address)
  if (/no encryption|SSL off/.test(message))
    return `the server at ${at} does not admit user "${user}" to database "${database}" without TLS; add sslmode=require to the address, or a line to its pg_hba.conf`
  if (/no pg_hba\.conf entry/.test(message))
    return `the server at ${at} has no line for user "${user}" and database "${database}" from this machine in its pg_hba.conf; add one and reload it`
  if (/client certificate|certificate authentication/i.test(message))
    return `the server at ${at} requires a client certificate; add sslcert=FILE and sslkey=FILE to the address`
  if (/^role .* does not exist/.test(message))
    return `user "${user}" does not exist at ${at}; create it (createuser --pwprompt ${user}) or name another`
  if (/not permitted to log in/.test(message))
    return `user "${user}" may not log in at ${at}; ALTER ROLE ${user} LOGIN, or name another`
  if (/^(peer|ident) authentication/i.test(message))
    return `the server at ${at} admits user "${user}" only to the operating system's user of that name; run as that user, or connect by host and password`
  return `user "${user}" may not connect at ${at}; check the user, or the server's pg_hba.conf`
}
