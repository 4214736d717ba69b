/** The parts of an address, as Compose passes them. */
export interface AddressParts {
  /** A name, an IP address, or the folder of a Unix socket. */
  host: string
  port: number
  user: string
  /** Undefined where the server asks for none. */
  password: string | undefined
  database: string
}

export const HOST = /^(\/[^\0]*|[\p{L}\p{N}._-]+|\[?[0-9a-f:.]*:[0-9a-f:.]*\]?)$/iu

/** The address that node-postgres and psql read the same parts out of, whatever characters they hold. */
export function addressOf({ host, port, user, password, database }: AddressParts): string {
  const isSocket = host.startsWith('/')
  const login = [user, ...(password === undefined ? [] : [password])].map(encodeURIComponent).join(':')
  const place = isSocket ? 'localhost' : host.includes(':') ? `[${host.replace(/[[\]]/g, '')}]` : host
  const socket = isSocket ? `?host=${encodeURIComponent(host)}` : ''
  // node-postgres decodes the path by decodeURI, which leaves an encoded / or @ as it is.
  return `postgresql://${login}@${place}:${port}/${encodeURI(database)}${socket}`
}

/** What is wrong with an address, without repeating it; undefined where nothing is. */
export function addressProblem(value: string): string | undefined {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(value)?.[1]?.toLowerCase()
  if (scheme === undefined) return 'must be a Postgres address: postgresql://USER:PASSWORD@HOST:5432/DATABASE'
  if (scheme.startsWith('postgres') && scheme.includes('+')) {
    return `has the scheme "${scheme}://", which is SQLAlchemy's; write "postgresql://" and keep the rest`
  }
  if (scheme !== 'postgres' && scheme !== 'postgresql') return `must begin with postgresql://, not ${scheme}://`
  const rest = value.slice(scheme.length + '://'.length)
  // A password with a # / ? in it can still be read as an address: of another host, its beginning for a port.
  if (/#|^[^?]*\/[^?]*@|\?[^=]*@/.test(rest)) return UNREADABLE
  // pg knows one host only; libpq's list of them it takes for one name.
  if (/^([^/?]*@)?[^@/?]*,[^@/?]*([/?]|$)|[?&](host|port)=[^&]*(,|%2c)/i.test(rest)) return SEVERAL_HOSTS
  const port = /^[^/?]*:(\d+)(?=[/?]|$)/.exec(rest)?.[1]
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
    return 'has a port that is none; use one from 1 to 65535'
  return URL.canParse(value.replace('@/', '@localhost/')) ? undefined : UNREADABLE
}

const UNREADABLE = 'cannot be read; write characters like @ : / # ? in the password as %40 %3A %2F %23 %3F'
const SEVERAL_HOSTS =
  'names several hosts, and only one can be used: name the primary, or a proxy in front of them (HAProxy, PgBouncer)'
