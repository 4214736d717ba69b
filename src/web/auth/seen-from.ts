import { isIPv4 } from 'node:net'
import { groupsOf } from '../address.ts'
import { isLoopback } from '../host.ts'

/**
 * The network of an address: the first three numbers of an IPv4 address, or the /64 of an IPv6 address. A user can
 * recognise their home by the network, although the full address is not stored.
 */
export function networkOf(address: string): string {
  const v4 = address.replace(/^::ffff:/i, '')
  if (isLoopback(v4)) return 'this machine'
  if (isIPv4(v4)) return v4.replace(/\d+$/, 'x')
  if (!address.includes(':')) return address.slice(0, 100)
  return `${groupsOf(address).slice(0, 4).join(':')}:x`
}

/** `Firefox on Linux`: enough for users to recognise their own browser. The rest of the user agent is not stored. */
export function browserOf(userAgent: string | undefined): string {
  const find = (names: readonly Known[]) => names.find(([, pattern]) => pattern.test(userAgent ?? ''))?.[0]
  const browser = find(BROWSERS) ?? 'Another program'
  const system = find(SYSTEMS)
  return system === undefined ? browser : `${browser} on ${system}`
}

type Known = readonly [name: string, pattern: RegExp]

/** The order matters: most user agents also name browsers further down the list. */
const BROWSERS: readonly Known[] = [
  ['Edge', /\bEdg(A|iOS)?\//],
  ['Opera', /\bOPR\//],
  ['Firefox', /\b(Firefox|FxiOS)\//],
  ['Chrome', /\b(Headless)?(Chrome|Chromium|CriOS)\//],
  ['Safari', /\bSafari\//],
  ['curl', /^curl\//],
]
const SYSTEMS: readonly Known[] = [
  ['Android', /\bAndroid\b/],
  ['iPhone', /\biPhone\b/],
  ['iPad', /\biPad\b/],
  ['Windows', /\bWindows\b/],
  ['macOS', /\bMac OS X\b/],
  ['ChromeOS', /\bCrOS\b/],
  ['Linux', /\bLinux\b/],
]
