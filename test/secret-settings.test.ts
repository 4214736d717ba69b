import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { isSecretName, scrubber, secret } from '../src/secrets.ts'

const VALUE = 'Zq7/hidden+value ä'

describe('a setting with the name of a secret', () => {
  test.each([
    ...[
      'DB_PASS',
      'DB_PASSWD',
      'PGPASSWORD',
      'PASSWORD',
      'SSH_PASSPHRASE',
      'MYSECRET',
      'GITHUB_TOKEN',
      'TOKENS',
      'DB_PWD',
    ],
    ...[
      'PRIVATE_KEY',
      'STRIPE_KEY',
      'apiKey',
      'stripeAPIKey',
      'api-keys',
      'APIKEY',
      'KEY_2',
      'AWS_CREDENTIALS',
      'SENTRY_DSN',
    ],
    ...['DISCORD_WEBHOOK_URL', 'SOME_API_KEY', 'clientSecret', 'accessToken1'],
  ])('%s', (name) => {
    expect(isSecretName(name)).toBe(true)
    expect(scrubber({ [name]: VALUE })(`it was ${VALUE}, indeed`)).toBe('it was ***, indeed')
  })

  test.each([
    'COMPASS',
    'BYPASS',
    'KEYBOARD',
    'MONKEY',
    'TOKENIZER',
    'PASSENGER',
    'SECRETARY',
    'PWD',
    'OLDPWD',
    'PASSWORD_FILE',
  ])('%s is not a secret', (name) => {
    expect(isSecretName(name)).toBe(false)
  })
})

describe('a setting that a dag declares', () => {
  const shown = (settings: Record<string, z.core.$ZodType>, env: Record<string, string> = {}) =>
    scrubber(env, [{ settings }])(`it was ${VALUE}, indeed`)

  test.each<[string, (schema: z.ZodString) => z.core.$ZodType]>([
    ['as it is', (schema) => schema],
    ['optional', (schema) => schema.optional()],
    ['checked', (schema) => schema.min(5).max(90)],
    ['described', (schema) => schema.describe('of our partner').meta({ title: 'x' })],
    ['transformed', (schema) => schema.transform((text) => ({ text }))],
    [
      'refined and nullable',
      (schema) =>
        schema
          .refine((text) => text !== '')
          .nullable()
          .readonly(),
    ],
    ['of an optional and a default', (schema) => schema.optional().default('other-one')],
    ['as a list', (schema) => z.preprocess((text) => String(text).split(';'), z.array(schema))],
  ])('is a secret if marked: %s', (_name, make) => {
    expect(shown({ PARTNER: make(secret(z.string())) }, { PARTNER: VALUE })).toBe('it was ***, indeed')
    expect(shown({ PARTNER: make(z.string()) }, { PARTNER: VALUE })).toContain(VALUE)
  })

  test('is a secret in its default, by its name or by its mark', () => {
    expect(shown({ STRIPE_KEY: z.string().default(VALUE) })).toBe('it was ***, indeed')
    expect(shown({ PARTNER: secret(z.string()).default(VALUE) })).toBe('it was ***, indeed')
    expect(shown({ PARTNER: secret(z.string().default(VALUE)) })).toBe('it was ***, indeed')
    expect(shown({ PARTNER: z.string().default(VALUE) })).toContain(VALUE)
  })

  test('is a secret in any value that its schema produces', () => {
    const parts = secret(z.string().transform((text) => ({ user: text.slice(0, 9), more: [text.slice(9)] })))
    const scrub = scrubber({ PARTNER: 'first-one;second-one' }, [{ settings: { PARTNER: parts } }])
    expect(scrub('first-one ;second-one')).toBe('*** ***')
  })

  test('is parsed as before, and the given schema is unchanged', () => {
    const plain = z.string().min(3)
    expect(secret(plain).parse('abcd')).toBe('abcd')
    expect(secret(plain).safeParse('a').success).toBe(false)
    expect(shown({ PARTNER: plain }, { PARTNER: VALUE })).toContain(VALUE)
  })
})

describe('a secret in another spelling', () => {
  const scrub = scrubber({ STRIPE_KEY: VALUE, OTHER_KEY: 'Q"7\\hidden' })
  const url = new URL('https://user@host.example/')
  url.password = VALUE
  test.each([
    ['of an address', encodeURIComponent(VALUE)],
    ['of an address in small letters', encodeURIComponent(VALUE).toLowerCase().replace('zq7', 'Zq7')],
    ['before the @ of a URL', url.password],
    ['of a form', new URLSearchParams({ a: VALUE }).toString().slice(2)],
    ['of JSON within JSON', JSON.stringify(JSON.stringify({ a: 'Q"7\\hidden' }))],
  ])('%s', (_name, spelling) => {
    expect(scrub(`it was ${spelling}, indeed`)).not.toMatch(/idden/)
  })

  test.each(['', 'u', 'us', 'user', 'admin'])('in base64, after a user of %j', (user) => {
    for (const encoding of ['base64', 'base64url'] as const) {
      const text = scrub(`sent ${Buffer.from(`${user}:${VALUE}`).toString(encoding)}, indeed`)
      expect(Buffer.from(text.slice(5, -8).replaceAll('***', ''), 'base64').toString()).not.toMatch(
        /hid|idd|dde|den|val/,
      )
    }
  })

  test('unknown Basic credentials are recognised by their place', () => {
    expect(scrubber({})('curl -H "authorization: Basic dXNlcjpodW50ZXIy" x')).not.toContain('dXNlcjpodW50ZXIy')
    expect(scrubber({})('Basic idea')).toBe('Basic idea')
  })

  test.each(['\n', '\\n', '\r\n'])('a private key over several lines (%j): whole, and line by line', (end) => {
    const lines = [
      '-----BEGIN PRIVATE KEY-----',
      'MIIEvQIBADANBgkqhkiG9w0BAQEF',
      'AASCBKcwggSjAgEAAoIBAQC7VJTU',
      '-----END PRIVATE KEY-----',
    ]
    const scrubbed = scrubber({ PRIVATE_KEY: lines.join(end) })
    for (const text of [lines.join(end), lines.join('\n'), JSON.stringify(lines.join('\n')), lines.join('\n    ')])
      expect(scrubbed(text)).not.toMatch(/MIIE|AASC/)
  })
})
