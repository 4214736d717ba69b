import { isIPv4, isIPv6 } from 'node:net'
import type { WebContext } from './site.ts'

/**
 * The IP address a request comes from, in its one spelling; `unknown` where the connection is gone. The proxy's word
 * counts only where one is trusted, and only its own: the last of X-Forwarded-For. Where that is no address, the
 * proxy's own address is taken, so that garbage does not make a new address each time.
 */
export function addressOf(c: WebContext): string {
  const forwarded = c.var.site.trustProxy ? c.req.header('x-forwarded-for')?.split(',').at(-1) : undefined
  return ipOf(forwarded) ?? ipOf(c.env.incoming?.socket?.remoteAddress) ?? 'unknown'
}

/**
 * One spelling of an address with or without brackets, port or zone, of IPv4 also where it is written as IPv6.
 * Undefined where it is no address.
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

/** What one person has of the address: of IPv6 the network (/64). */
export function networkKey(address: string): string {
  return isIPv6(address) ? `${groupsOf(address).slice(0, 4).join(':')}::/64` : address
}

/** All eight: `::` stands for as many zeros as are missing. */
export function groupsOf(address: string): string[] {
  const [head = [], tail = []] = address.split('::').map((part) => part.split(':').filter((group) => group !== ''))
  const zeros = Math.max(0, 8 - head.length - tail.length)
  return [...head, ...Array<string>(zeros).fill('0'), ...tail]
}
