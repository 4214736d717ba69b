/** The parts of an address, as Docker Compose passes them. */
export interface AddressParts {
  /** A name, an IP address, or the folder of a Unix socket. */
  host: string
  port: number
  user: string
  /** Undefined if the server needs no password. */
  password: string | undefined
  database: string
}

export const HOST = /^(\/[^\0]*|[\p{L}\p{N}._-]+|\[?[0-9a-f:.]*:[0-9a-f:.]*\]?)$/iu

export const SCHEMA_NAME = /^(?!pg_)[a-z_][a-z0-9_]{0,62}$/
export const NO_SCHEMA_NAME = 'must be a plain schema name: lower-case letters, digits and _, not starting with pg_'

/** Builds an address that node-postgres and psql parse into the same parts, even if they contain special characters. */
export function addressOf({ host, port, user, password, database }: AddressParts): string {
  const isSocket = host.startsWith('/')
  const login = [user, ...(password === undefined ? [] : [password])].map(encodeURIComponent).join(':')
  const place = isSocket ? 'localhost' : host.includes(':') ? `[${host.replace(/[[\]]/g, '')}]` : host
  const socket = isSocket ? `?host=${encodeURIComponent(host)}` : ''
  // node-postgres decodes the path by decodeURI, which does not decode / or @.
  return `postgresql://${login}@${place}:${port}/${encodeURI(database)}${socket}`
}

/** The problem with an address, without repeating the address; undefined if it is valid. */
export function addressProblem(value: string): string | undefined {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(value)?.[1]?.toLowerCase()
  if (scheme === undefined) return 'must be a Postgres address: postgresql://USER:PASSWORD@HOST:5432/DATABASE'
  if (scheme.startsWith('postgres') && scheme.includes('+')) {
    return `has SQLAlchemy's scheme "${scheme}://"; write "postgresql://" and keep the rest`
  }
  if (scheme !== 'postgres' && scheme !== 'postgresql') return `must start with postgresql://, not ${scheme}://`
  const rest = value.slice(scheme.length + '://'.length)
  // An address whose password contains # / ? still parses, but as another host, with the password as its port.
  if (/#|^[^?]*\/[^?]*@|\?[^=]*@/.test(rest)) return UNREADABLE
  // pg supports only one host: it reads libpq's list of hosts as one name.
  if (/^([^/?]*@)?[^@/?]*,[^@/?]*([/?]|$)|[?&](host|port)=[^&]*(,|%2c)/i.test(rest)) return SEVERAL_HOSTS
  const port = /^[^/?]*:(\d+)(?=[/?]|$)/.exec(rest)?.[1]
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
    return 'has an invalid port; use a number from 1 to 65535'
  return URL.canParse(value.replace('@/', '@localhost/')) ? undefined : UNREADABLE
}

const UNREADABLE = 'cannot be parsed; write the characters @ : / # ? in the password as %40 %3A %2F %23 %3F'
const SEVERAL_HOSTS =
  'names several hosts, but only one is supported: name the primary, or a proxy in front of them (HAProxy, PgBouncer)'
