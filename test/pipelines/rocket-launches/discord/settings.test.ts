import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { channelOptions } from '../../../../pipelines/rocket-launches/discord/channel.ts'
import { KIND_NAMES } from '../../../../pipelines/rocket-launches/discord/notice-kinds.ts'
import { settings } from '../../../../pipelines/rocket-launches/settings.ts'

const TOKEN = 'very-secret_TOKEN-0123456789'
const read = (env: Record<string, string>) => z.object(settings).safeParse(env)
const complaint = (env: Record<string, string>) => {
  const { error } = read(env)
  expect(inspect(error, { depth: 9 })).not.toContain(TOKEN)
  return error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('\n')
}
const address = (id: number, query = '') => `https://discord.com/api/webhooks/${id}/${TOKEN}${id}${query}`

describe('DISCORD_WEBHOOK_URL', () => {
  it('accepts several addresses, each a separate channel', () => {
    const value = `${address(1)}, ${address(2)},${address(2, '?thread_id=7')}`
    expect(read({ DISCORD_WEBHOOK_URL: value }).data?.DISCORD_WEBHOOK_URL?.map(({ target }) => target)).toEqual([
      ...['1', '2', '2/7'],
    ])
  })

  it.each([
    [
      `${address(1)},${address(2)},${address(1)}`,
      /^DISCORD_WEBHOOK_URL names one channel twice, at positions 1 and 3;/,
    ],
    [
      `${address(1)},https://evil.example/${TOKEN}`,
      /^DISCORD_WEBHOOK_URL is wrong at position 2 of 2: not a Discord webhook/,
    ],
    [`${address(1)},`, /^DISCORD_WEBHOOK_URL is wrong at position 2 of 2: /],
    [`https://evil.example/${TOKEN}`, /^DISCORD_WEBHOOK_URL is not a Discord webhook address/],
  ])('an error names the position of the wrong address', (value, message) => {
    expect(complaint({ DISCORD_WEBHOOK_URL: value })).toMatch(message)
  })
})

describe('DISCORD_VOLUME, DISCORD_NOTICES and DISCORD_REMINDERS', () => {
  const rulesFor = (env: Record<string, string>) => {
    const { notices, ...rules } = channelOptions(z.object(settings).parse(env)).rules
    return { notices: [...notices], ...rules }
  }
  const DAY = 86_400_000

  it('give the kinds of notices, the reminders, and when a card is due', () => {
    const normal = {
      notices: ['slip', 'hold', 'go', 'result', 'reminder'],
      reminders: [3_600_000],
      cardAt: DAY,
      maxReminders: 2,
    }
    expect(rulesFor({})).toEqual(normal)
    expect(rulesFor({ DISCORD_VOLUME: 'normal' })).toEqual(normal)
    const quiet = { notices: ['result', 'reminder'], reminders: [600_000], cardAt: DAY }
    expect(rulesFor({ DISCORD_VOLUME: 'quiet' })).toEqual(quiet)
    const full = { notices: KIND_NAMES, reminders: [DAY, 3_600_000, 600_000] }
    expect(rulesFor({ DISCORD_VOLUME: 'full' })).toEqual(full)
  })

  it('the list of kinds and the list of reminders override the volume', () => {
    const hold = rulesFor({ DISCORD_VOLUME: 'quiet', DISCORD_NOTICES: 'hold' })
    expect(hold).toEqual({ notices: ['hold'], reminders: [600_000], cardAt: DAY })
    const twice = rulesFor({ DISCORD_VOLUME: 'quiet', DISCORD_REMINDERS: '2h,1h' })
    expect(twice).toEqual({ notices: ['result', 'reminder'], reminders: [7_200_000, 3_600_000] })
  })

  it('the lists can be none', () => {
    const none = read({ DISCORD_NOTICES: 'none', DISCORD_REMINDERS: 'none' }).data
    expect([none?.DISCORD_NOTICES?.size, none?.DISCORD_REMINDERS]).toEqual([0, []])
    const some = read({ DISCORD_NOTICES: 'Webcast, slip', DISCORD_REMINDERS: '2d, 90m' }).data
    expect([[...(some?.DISCORD_NOTICES ?? [])], some?.DISCORD_REMINDERS]).toEqual([
      ['slip', 'webcast'],
      [172_800_000, 5_400_000],
    ])
  })

  it.each([
    ['DISCORD_VOLUME', 'loud', /must be one of quiet,normal,full/],
    ['DISCORD_NOTICES', 'slips', /must be none, or some of slip,/],
    ['DISCORD_NOTICES', 'slip,,hold', /must be none/],
    ['DISCORD_REMINDERS', '24h,soon', /must be none, or durations from 5m to 30d/],
    [
      'DISCORD_FILTER_LOCATIONS',
      '"Kennedy, FL',
      /must be texts separated by commas; put a text that contains a comma in double quotes/,
    ],
    ['DISCORD_REMINDERS', '1m', /durations from 5m/],
    ['DISCORD_REMINDERS', '31d', /to 30d/],
    ['PUBLIC_URL', 'launches.example', /must be an http\(s\) address/],
    ['PUBLIC_URL', 'https://launches.example/?a=1', /must be an http\(s\) address without \? and #/],
    ['DISCORD_ROLE_ID', '@crew', /must be the number of a role/],
    ['DISCORD_ROLE_ID', '42:never', new RegExp(`of ${KIND_NAMES.join()}`)],
    ['DISCORD_USERNAME', 'My Discord bot', /must not contain "discord" or "clyde"/],
    ['DISCORD_USERNAME', 'x'.repeat(81), /80 characters at most/],
    ['DISCORD_AVATAR', 'ftp://example.com/a.png', /http\(s\) address/],
  ])('%s=%s is refused', (name, value, message) => {
    expect(complaint({ [name]: value })).toMatch(message)
    expect(complaint({ [name]: value })).toMatch(new RegExp(`^${name} `))
  })
})

describe('DISCORD_ROLE_ID', () => {
  it('pings for reminders and holds, or for the kinds it lists', () => {
    const kinds = (value: string) => [...(read({ DISCORD_ROLE_ID: value }).data?.DISCORD_ROLE_ID?.kinds ?? [])]
    expect(kinds('42')).toEqual(['reminder', 'hold'])
    expect(kinds('42:liftoff, slip')).toEqual(['slip', 'liftoff'])
    expect(kinds('42:none')).toEqual([])
  })
})

it('docs/discord.md and .env.example list every kind of notice', () => {
  const read = (name: string) => readFileSync(new URL(`../../../../${name}`, import.meta.url), 'utf8')
  const doc = read('docs/discord.md')
  const undocumented = KIND_NAMES.filter((kind) => !doc.includes(`\n| \`${kind}\` | `))
  expect(undocumented, 'kinds without a row in the table of notices in docs/discord.md').toEqual([])
  const listed = / ([a-z,]+), or none\.\nDISCORD_NOTICES=/.exec(read('.env.example'))?.[1]
  expect(listed, 'the comment above DISCORD_NOTICES in .env.example').toBe(KIND_NAMES.join())
})
