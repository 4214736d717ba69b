import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { scrubber } from '../src/secrets.ts'
import { runScript } from './support/cli.ts'

const WEBHOOK = 'https://discord.com/api/webhooks/123456789/Ab-c_dEf0123456789?thread_id=5'

describe('secrets of the environment', () => {
  test.each([
    'DISCORD_WEBHOOK_URL',
    'LAUNCH_LIBRARY_TOKEN',
    'ADMIN_PASSWORD',
    'POSTGRES_PASSWORD',
    'PGPASSWORD',
    'SESSION_SECRET',
    'SOME_API_KEY',
  ])('the value of %s is removed from any text', (name) => {
    const scrub = scrubber({ [name]: 'Zq7.hidden!' })
    expect(scrub('before Zq7.hidden! after, and again: Zq7.hidden!')).toBe('before *** after, and again: ***')
  })

  test('other values are kept', () => {
    const scrub = scrubber({ DATA_DIR: 'visible', WEB_HOST: 'example.org', LAUNCH_LIBRARY_URL: 'https://ll.org/2.3.0' })
    expect(scrub('visible example.org https://ll.org/2.3.0')).toBe('visible example.org https://ll.org/2.3.0')
  })

  test('a value as short as an ordinary word is kept', () => {
    const scrub = scrubber({ ADMIN_PASSWORD: 'abc', API_TOKEN: '', OTHER_TOKEN: undefined })
    expect(scrub('the abc of it')).toBe('the abc of it')
  })

  test('several secrets in one variable are removed, single and together', () => {
    const scrub = scrubber({ API_TOKEN: 'first-one, second-one', ADMIN_PASSWORD: 'abc,def' })
    expect(scrub('first-one second-one abc,def')).toBe('*** *** ***')
  })

  test('of two overlapping secrets the longer one is removed as a whole', () => {
    expect(scrubber({ A_TOKEN: 'secret', B_TOKEN: 'secret-tail' })('secret-tail')).toBe('***')
  })

  test("a webhook's token is also a secret without its address", () => {
    const scrub = scrubber({ DISCORD_WEBHOOK_URL: WEBHOOK })
    expect(scrub(`token Ab-c_dEf0123456789 of ${WEBHOOK}`)).toBe('token *** of ***')
    expect(scrub('/api/webhooks/123456789/Ab-c_dEf0123456789/messages/1')).toBe(
      '/api/webhooks/123456789/***/messages/1',
    )
  })
})

test('a megabyte of text that looks like the start of an address everywhere is scrubbed fast', () => {
  const text = 'a.'.repeat(500_000)
  // In quadratic time this would take five minutes.
  expect(scrubber({})(text)).toBe(text)
})

describe('a password in an address', () => {
  test.each([
    ['postgresql://u:hunter2@h:5432/d', 'hunter2'],
    ['postgresql://u:hun%40ter2@h/d', 'hun@ter2'],
    ['postgresql://u:hun%40ter2@h/d', 'hun%40ter2'],
    ['postgresql://u:hun@ter2@h/d', 'hun@ter2'],
    ['postgresql://u:hun@ter2%21@h/d', 'hun@ter2!'],
    ['postgresql://u:hunter2@h/d?application_name=me@home', 'hunter2'],
    ['postgresql://u:100%hunter2@h/d', '100%hunter2'],
    ['postgresql://h/d?user=u&password=hunter2', 'hunter2'],
    ['postgresql://h/d?password=hun%40ter2&user=u', 'hun@ter2'],
    ['redis://:hunter2@h/0', 'hunter2'],
    ['https://u:hunter2@proxy.example/', 'hunter2'],
  ])('of %s is recognised alone', (address, password) => {
    expect(scrubber({ ANY_URL: address })(`it was ${password}, indeed`)).toBe('it was ***, indeed')
    expect(scrubber({ ANY_URL: address })(`could not reach ${address}`)).not.toContain(password)
  })

  test.each([
    ['postgresql://u:hunter2@h:5432/d', 'postgresql://u:***@h:5432/d'],
    ['postgresql://u:h2@h/d and redis://:xy@h', 'postgresql://u:***@h/d and redis://:***@h'],
    ['postgresql://h/d?user=u&password=hunter2&x=1', 'postgresql://h/d?user=u&password=***&x=1'],
    ['GET /launches.ics?token=tok-en_1&q=x', 'GET /launches.ics?token=***&q=x'],
    ['https://discord.com/api/webhooks/42/tok-en_1', 'https://discord.com/api/webhooks/42/***'],
    ['http://127.0.0.1:3000/api/webhooks/1/tok?wait=true', 'http://127.0.0.1:3000/api/webhooks/1/***?wait=true'],
    ['{"authorization":"Token abcdef123"}', '{"authorization":"Token ***"}'],
    ['Authorization: Bearer abc.def', 'Authorization: Bearer ***'],
  ])('of an unknown address is recognised by its place: %s', (text, scrubbed) => {
    expect(scrubber({})(text)).toBe(scrubbed)
  })

  test.each([
    'http://127.0.0.1:8080/api and mail to me@example.org',
    '{"url":"http://h:80/x","to":["me@example.org"]}',
    '{"url":"http://h:80","to":"me@example.org"}',
    "see 'https://example.org:443' or <a@b.org>",
    'postgresql://u@h/d',
    'a webhook, a token, a password',
  ])('text that is no secret is kept: %s', (text) => {
    expect(scrubber({})(text)).toBe(text)
  })
})

/** The characters of a secret: no spaces at its ends, and no asterisk, which replaces it. */
const secretText = fc
  .string({ unit: 'grapheme-ascii', minLength: 6, maxLength: 40 })
  .map((text) => text.replaceAll('*', 'x').trim())
  .filter((text) => text.length >= 6)

describe('any secret of six characters or more', () => {
  const anywhere = fc.tuple(fc.lorem(), fc.lorem())

  test('is removed everywhere, by the name of its variable', () => {
    fc.assert(
      fc.property(secretText, anywhere, (secret, [before, after]) => {
        const scrub = scrubber({ LAUNCH_LIBRARY_TOKEN: secret })
        expect(scrub(`${before}${secret}${after}${secret}`)).not.toContain(secret)
      }),
    )
  })

  test('is removed from a line of JSON, plain and escaped, and the line is still valid', () => {
    const spelling = secretText.filter((secret) => !/^[\d.,:{}[\]"\\-]+$/.test(secret))
    fc.assert(
      fc.property(spelling, anywhere, (secret, [before, after]) => {
        const scrub = scrubber({ ADMIN_PASSWORD: secret })
        const line = scrub(JSON.stringify({ msg: `${before}${secret}${after}` }))
        expect(line).not.toContain(secret)
        expect((JSON.parse(line) as { msg: string }).msg).not.toContain(secret)
      }),
    )
  })

  test('is removed as a password of an address, decoded and encoded', () => {
    fc.assert(
      fc.property(secretText, anywhere, (secret, [before, after]) => {
        const url = new URL('postgresql://u@h/d')
        url.password = secret.replaceAll('%', '%25')
        const encoded = encodeURIComponent(secret)
        for (const address of [url.href, `postgresql://u:${encoded}@h/d`, `postgresql://h/d?password=${encoded}`]) {
          const scrub = scrubber({ DATABASE_URL: address })
          const text = scrub(`${before} ${secret} ${encoded} ${address} ${after}`)
          expect(text).not.toContain(secret)
          expect(text).not.toContain(encoded)
        }
      }),
    )
  })
})

describe('the process log', () => {
  const env = { API_TOKEN: 'si"lver\\bul\nlet', DATABASE_URL: 'postgresql://u:hunter2@h/d', SOME_PASSWORD: 'abc' }

  /** The output of a separate process that runs these statements. */
  async function logged(options: string, statements: string): Promise<string> {
    const script = `
      import { openLog } from 'ROOT/src/log.ts'
      import { scrubber } from 'ROOT/src/secrets.ts'
      const { API_TOKEN, DATABASE_URL } = process.env
      const log = openLog({ level: 'info', format: 'auto', scrub: scrubber(process.env), ${options} })
      ${statements}`
    const { stdout, stderr, code } = await runScript(script, { env })
    expect([code, stderr]).toEqual([0, ''])
    return stdout
  }

  test('writes JSON lines to a pipe, without a secret in message, field, stack or cause', async () => {
    const output = await logged(
      '',
      `log.info({ token: API_TOKEN, list: [{ DATABASE_URL }], abc: 'abc' }, 'with ' + API_TOKEN)
       const cause = new Error('at ' + DATABASE_URL)
       log.error({ err: new Error('sent ' + API_TOKEN, { cause }) }, 'failed')
       log.debug('not shown')`,
    )
    const [info, error, ...rest] = output
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(rest).toEqual([])
    expect(info).toMatchObject({ token: '***', list: [{ DATABASE_URL: 'postgresql://u:***@h/d' }], msg: 'with ***' })
    expect(info).toMatchObject({ abc: 'abc', level: 30, time: expect.stringMatching(/^\d{4}-.*Z$/) })
    expect(error.err.stack).toMatch(/^Error: sent \*\*\*\n {4}at /)
    expect(JSON.stringify(error)).toContain('at postgresql://u:***@h/d')
    expect(output).not.toMatch(/hunter2|lver/)
  })

  test('writes no secret in pretty format either, and no colours to a pipe', async () => {
    const output = await logged(
      `format: 'pretty'`,
      `log.warn({ token: API_TOKEN }, 'with ' + API_TOKEN)
       log.error({ err: new Error('sent ' + API_TOKEN) }, 'failed')`,
    )
    expect(output).toMatch(/WARN.*with \*\*\*/)
    expect(output).toMatch(/ERROR.*failed: sent \*\*\*\n/)
    expect(output).not.toMatch(/\n\s+at /)
    expect(output).not.toMatch(/lver/)
    expect(output).not.toContain('\u001b')
  })

  test('writes nothing if silent', async () => {
    expect(await logged(`level: 'silent'`, `log.error('loud')`)).toBe('')
  })
})
