import { isIPv4, isIPv6 } from 'node:net'
import type { WebContext } from './site.ts'

/**
 * The IP address that a request comes from, normalised; `unknown` if the connection is closed. Behind a trusted proxy
 * it is the last entry of X-Forwarded-For, which the proxy itself added. If that entry is not an address, the proxy's
 * own address counts. Otherwise a client could use a new address for each request.
 */
export function addressOf(c: WebContext): string {
  const forwarded = c.var.site.trustProxy ? c.req.header('x-forwarded-for')?.split(',').at(-1) : undefined
  return ipOf(forwarded) ?? ipOf(c.env.incoming?.socket?.remoteAddress) ?? 'unknown'
}

/**
 * Normalises an address: removes brackets, port and zone, and turns IPv4 written as IPv6 into IPv4. Undefined if the
 * text is no address.
 */
export function ipOf(text: string | undefined): string | undefined {
  const bare = withoutPort((text ?? '').trim())
  if (isIPv4(bare)) return bare
  const v6 = bare.replace(/%.*$/s, '')
  if (!isIPv6(v6)) return undefined
  const short = new URL(`http://[${v6}]`).hostname.slice(1, -1)
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short) ?? []
  if (high === undefined || low === undefined) return short
  const bytes = [high, low].flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255])
  return bytes.join('.')
}

function withoutPort(text: string): string {
  const [, bracketed] = /^"?\[([^\]]*)\](?::\d{1,5})?"?$/.exec(text) ?? []
  return bracketed ?? text.replace(/^([^:]*):\d{1,5}$/, '$1')
}

/** The part of an address that identifies a client: an IPv4 address, or the /64 network of an IPv6 address. */
export function networkKey(address: string): string {
  return isIPv6(address) ? `${groupsOf(address).slice(0, 4).join(':')}::/64` : address
}

/** All eight groups of an IPv6 address, with `::` expanded. */
export function groupsOf(address: string): string[] {
  const [head = [], tail = []] = address.split('::').map((part) => part.split(':').filter((group) => group !== ''))
  const zeros = Math.max(0, 8 - head.length - tail.length)
  return [...head, ...Array<string>(zeros).fill('0'), ...tail]
}
