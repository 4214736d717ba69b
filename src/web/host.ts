import { isIP } from 'node:net'

const OWN_NAME = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i

/** True if a Host header names this machine. Any other name may be DNS rebinding. */
export function isOwnName(host: string): boolean {
  return OWN_NAME.test(host) && isHost(host)
}

/** True if the text is a valid host with an optional port. `127.999.1.1` and `localhost:99999` are invalid. */
export function isHost(host: string): boolean {
  return URL.canParse(`http://${host}/`) && !/[/?#@\\]/.test(host)
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
