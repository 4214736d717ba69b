import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { UsageError } from '../../errors.ts'

/** One hash takes 0.4 s and 134 MB (https://cheatsheetseries.owasp.org, scrypt), so requests hash by `inTurn`. */
const COST = { N: 2 ** 17, r: 8, p: 1 }
const LENGTH = 32

const SHORTEST = 8
const LONGEST = 1_000

/** Throws UsageError for a password that is too short or too long. */
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

/** Takes the same time for an unknown user (`hash` undefined), so that timing does not reveal names. */
export async function isPassword(password: string, hash: string | undefined): Promise<boolean> {
  const [, N, r, p, salt = '', known = ''] = (hash ?? UNMATCHABLE).split('$')
  const cost = { N: Number(N), r: Number(r), p: Number(p) }
  const key = await derive(password, Buffer.from(salt, 'base64url'), cost)
  const expected = Buffer.from(known, 'base64url')
  return expected.length === key.length && timingSafeEqual(key, expected) && hash !== undefined
}

/** A hash that no password matches. */
const UNMATCHABLE = [
  'scrypt',
  COST.N,
  COST.r,
  COST.p,
  Buffer.alloc(16).toString('base64url'),
  Buffer.alloc(LENGTH).toString('base64url'),
].join('$')

function derive(password: string, salt: Buffer, cost: ScryptOptions): Promise<Buffer> {
  // No password is longer, so the rest is not hashed.
  const text = password.slice(0, LONGEST * 2).normalize('NFKC')
  return new Promise((resolve, reject) => {
    const options = { ...cost, maxmem: 256 * 1024 * 1024 }
    scrypt(text, salt, LENGTH, options, (error, key) => (error ? reject(error) : resolve(key)))
  })
}
