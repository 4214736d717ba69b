import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { dag } from '../../src/dag/dag.ts'
import { readRuns } from '../../src/operations/list-runs.ts'
import { useDatabase } from '../support/database.ts'
import { BROWSER, openBrowser } from './browser.ts'
import { type OpenSite, openSite } from './site.ts'
import { form } from './support.ts'

const params = z.object({
  name: z.string().min(3),
  rows: z.number().int().max(1_000).default(20),
  mode: z.enum(['full', 'delta']).default('delta'),
  notify: z.boolean().default(true),
  dry: z.boolean().optional(),
  day: z.iso.date().optional(),
  since: z.iso.datetime().optional(),
  only: z.array(z.string()).optional(),
})
const dags = [
  dag('load', { params }, ({ task }) => task('load', { run: () => {} })),
  dag('plain', {}, ({ task }) => task('load', { run: () => {} })),
]
const database = useDatabase()
let site: OpenSite
beforeAll(async () => {
  site = await openSite(database, { dags })
})
afterAll(() => site.close())

const path = '/dags/load/trigger'
const send = (fields: Record<string, string>) => site.get(path, form(fields))
const latest = async () => (await readRuns(site.metadata, { dagId: null, limit: 1 }))[0]

describe('the trigger form', () => {
  test('queues a run with the values of its fields and the logical date', async () => {
    const fields = { name: 'abc', notify: 'false', day: '2026-01-31', since: '2026-01-31T17:10' }
    expect((await send({ ...fields, ':logical_date': '2026-02-01T06:00' })).status).toBe(303)
    expect(await latest()).toMatchObject({
      conf: { name: 'abc', notify: false, day: '2026-01-31', since: '2026-01-31T17:10:00Z' },
      logical_date: new Date('2026-02-01T06:00:00Z'),
    })
  })

  test.each(['tomorrow', '2026-02-31T10:00', '9999-12-31T24:00'])(
    'rejects the logical date %s, and keeps what was entered',
    async (date) => {
      const { status, text } = await send({ name: 'abc', ':logical_date': date })
      expect(status).toBe(400)
      expect(text).toContain('Expected a date and time after 1900')
      expect(text).toContain('value="abc"')
    },
  )

  test('a box without a tick means false if the param has a default, else the param is omitted', async () => {
    const { text } = await site.get(path)
    expect(text).toMatch(/type="hidden" name="notify" value="false"/)
    expect(text).toMatch(/type="checkbox" name="notify" value="true" checked/)
    expect(text).not.toMatch(/type="hidden" name="dry"/)
    expect(text).not.toMatch(/name="dry" value="true" checked/)
  })
})

describe('the JSON view of the trigger form', () => {
  test('starts with the entered values and the defaults', async () => {
    const { status, text } = await send({ name: 'ab', rows: 'many', ':show': 'json' })
    expect(status).toBe(200)
    const [, json = ''] = /<textarea[^>]*name=":conf"[^>]*>([^<]*)</.exec(text) ?? []
    expect(JSON.parse(json.replaceAll('&quot;', '"'))).toEqual({
      rows: 'many',
      mode: 'delta',
      notify: true,
      name: 'ab',
    })
  })

  test('queues a run', async () => {
    const json = { name: 'json', dry: false, only: ['a'] }
    expect((await send({ ':view': 'json', ':conf': JSON.stringify(json) })).status).toBe(303)
    expect((await latest())?.conf).toEqual(json)
  })

  test.each([
    ['{"name": ', 'This must be a JSON object'],
    ['[1]', 'This must be a JSON object'],
    ['{"name": "ab", "typo": 1}', 'typo: &#39;load&#39; has no param of this name'],
  ])('rejects %s, and keeps the text', async (json, why) => {
    const { status, text } = await send({ ':view': 'json', ':conf': json })
    expect(status).toBe(400)
    expect(text).toContain(why)
    expect(text).toContain(json.replaceAll('"', '&quot;'))
  })

  test('gives its values to the fields; JSON that fits no field stays', async () => {
    const json = { name: 'abc', rows: 7, notify: false, since: '2026-01-31T17:10:00Z', only: ['x'] }
    const { text } = await send({ ':view': 'json', ':conf': JSON.stringify(json), ':show': 'form' })
    for (const part of ['value="abc"', 'value="7"', 'value="2026-01-31T17:10:00"', '[&quot;x&quot;]'])
      expect(text).toContain(part)
    expect(text).toMatch(/type="checkbox" name="notify" value="true"(?! checked)/)
    const kept = await send({ ':view': 'json', ':conf': '{"typo": 1}', ':show': 'form' })
    expect(kept.text).toContain('{&quot;typo&quot;: 1}')
    expect(kept.text).toContain('has no param of this name')
  })

  test.each([3_000, 100_000])(
    'says that values of %i levels cannot be stored, and keeps the fields',
    async (levels) => {
      const only = `${'['.repeat(levels)}${']'.repeat(levels)}`
      const { status, text } = await send({ name: 'abc', only, ':show': 'json' })
      expect([status, text.includes('nested more than 100 levels deep')]).toEqual([200, true])
      expect(text).toContain(only)
      expect(text.length).toBeLessThan(only.length + 10_000)
    },
  )

  test('a long value of many levels stays about as long', async () => {
    const only = `${'['.repeat(90)}${'1,'.repeat(10_000)}1${']'.repeat(90)}`
    const { text } = await send({ name: 'abc', only, ':show': 'json' })
    expect(text.length).toBeLessThan(only.length + 10_000)
  })
})

test('a dag without params offers only the logical date', async () => {
  const { text } = await site.get('/dags/plain/trigger')
  expect(text).toContain('name=":logical_date"')
  expect(text).not.toContain('value="json"')
})

describe.skipIf(BROWSER === undefined)('in a browser', () => {
  test('the keyboard alone fills each field and triggers', async () => {
    const browser = await openBrowser()
    const page = await browser.newPage({ baseURL: site.url, javaScriptEnabled: false, locale: 'en-US' })
    await page.goto(path)
    const { keyboard } = page
    await page.getByRole('button', { name: 'JSON' }).focus()
    const pressed = async (...keys: string[]) => {
      for (const key of keys)
        await (key.length > 1 && key !== 'Tab' && key !== 'Space' ? keyboard.type(key) : keyboard.press(key))
    }
    await pressed('Tab', 'abc', 'Tab', '7', 'Tab', 'f', 'Tab', 'Space', 'Tab', 'Space', 'Tab', '01312026')
    // A date field has a stop for each of its parts, so a test that counts them would depend on the browser.
    await page.getByLabel('since').focus()
    await pressed('01302026', 'Tab', '0315AM')
    await page.getByLabel('only').focus()
    await pressed('["x"]')
    await page.getByLabel('Logical date').focus()
    await pressed('01312026', 'Tab', '0510PM')
    await page.getByLabel('rows').focus()
    await keyboard.press('Enter')
    await page.waitForURL(/\/runs\/manual__2026-01-31/)
    expect(await latest()).toMatchObject({
      conf: {
        ...{ name: 'abc', rows: 7, mode: 'full', notify: false, dry: true, only: ['x'] },
        ...{ day: '2026-01-31', since: '2026-01-30T03:15:00Z' },
      },
      logical_date: new Date('2026-01-31T17:10:00Z'),
    })
    await browser.close()
  })
})
