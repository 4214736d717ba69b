import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { TminusError, UsageError } from '../../errors.ts'

/** Takes 0.4 s and 134 MB (https://cheatsheetseries.owasp.org, scrypt). */
const COST = { N: 2 ** 17, r: 8, p: 1 }
const LENGTH = 32
/** So many are worked out at once, for the memory they take; so many wait, the rest is turned away. */
const AT_ONCE = 2
const MOST_WAITING = 16

const SHORTEST = 8
const LONGEST = 1_000

/** Throws UsageError where it is too short or too long. */
export function checkPassword(password: string): void {
  const length = [...password].length
  if (length < SHORTEST) throw new UsageError(`A password needs at least ${SHORTEST} characters`)
  if (length > LONGEST) throw new UsageError(`A password has at most ${LONGEST} characters`)
}

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const key = await derive(password, salt, COST)
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64url'), key.toString('base64url')].join('$')
}

/** Takes as long where there is no such user (`hash` undefined) as where there is. */
export async function isPassword(password: string, hash: string | undefined): Promise<boolean> {
  const [, N, r, p, salt = '', known = ''] = (hash ?? NOBODY).split('$')
  const key = await derive(password, Buffer.from(salt, 'base64url'), { N: Number(N), r: Number(r), p: Number(p) })
  const expected = Buffer.from(known, 'base64url')
  return expected.length === key.length && timingSafeEqual(key, expected) && hash !== undefined
}

/** A hash that no password has. */
const NOBODY = [
  'scrypt',
  COST.N,
  COST.r,
  COST.p,
  Buffer.alloc(16).toString('base64url'),
  Buffer.alloc(LENGTH).toString('base64url'),
].join('$')

let busy = 0
const waiting: (() => void)[] = []

async function derive(password: string, salt: Buffer, cost: ScryptOptions): Promise<Buffer> {
  if (busy >= AT_ONCE) {
    if (waiting.length >= MOST_WAITING) throw tooMany()
    await new Promise<void>((resolve) => waiting.push(resolve))
  } else busy++
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      const options = { ...cost, maxmem: 256 * 1024 * 1024 }
      // Beyond the longest nothing is looked at: it is no one's password.
      const text = password.slice(0, LONGEST * 2).normalize('NFKC')
      scrypt(text, salt, LENGTH, options, (error, key) => (error ? reject(error) : resolve(key)))
    })
  } finally {
    const next = waiting.shift()
    if (next) next()
    else busy--
  }
}

function tooMany(): TminusError {
  return new TminusError('Too many people sign in at this moment; try again in a few seconds', { code: 'login_busy' })
}
