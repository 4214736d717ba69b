import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Embed,
  escapeMarkdown,
  fitMessage,
  LIMITS,
  linkButton,
  type Payload,
  truncate,
} from '../../src/connectors/discord.ts'

describe('truncate', () => {
  it.each([
    ['short', 10, 'short'],
    ['two words', 9, 'two words'],
    ['several words here', 14, 'several words…'],
    ['several words here', 12, 'several…'],
    ['unbreakable', 6, 'unbre…'],
    ['🚀🚀🚀', 4, '🚀…'],
    ['anything', 0, ''],
  ])('%j to %i is %j', (text, max, expected) => expect(truncate(text, max)).toBe(expected))

  it('is within the limit, in units and in characters, and splits no character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(60), (text, max) => {
        const cut = truncate(text, max)
        expect(cut.length).toBeLessThanOrEqual(max)
        expect(cut).not.toMatch(/\p{Surrogate}/u)
      }),
    )
  })
})

describe('escapeMarkdown', () => {
  it.each([
    ['Falcon 9 Block 5 | Starlink 6-99', 'Falcon 9 Block 5 | Starlink 6-99'],
    ['*bold* _it_ `code` ||spoiler|| ~~no~~', '\\*bold\\* \\_it\\_ \\`code\\` \\||spoiler\\|| \\~~no\\~~'],
    ['[free](https://evil.example)', '[free\\](https://evil.example)'],
    ['<@123> <#1> <t:0:R>', '\\<@123> \\<#1> \\<t:0:R>'],
    ['@everyone', '@\u200Beveryone'],
    ['# not a title', '\\# not a title'],
    ['\\', '\\\\'],
  ])('%j', (text, expected) => expect(escapeMarkdown(text)).toBe(expected))
})

describe('fitMessage', () => {
  it('removes empty parts', () => {
    const fitted = fitMessage({
      content: ' ',
      username: '',
      embeds: [{ title: '' }, { title: 'x', description: '', fields: [{ name: 'a', value: ' ' }], image: { url: '' } }],
      components: [{ type: 1, components: [linkButton('Watch', '')] }],
    })
    expect(fitted).toEqual({ embeds: [{ title: 'x' }], components: [] })
  })

  it('removes an embed that is empty after shortening', () => {
    const long = { title: 'x', description: 'y'.repeat(4_000) }
    const fitted = fitMessage({ embeds: [long, long, { description: '!' }] })
    expect(fitted.embeds?.map(({ description }) => description?.length)).toEqual([4_000, 1_998])
  })

  it('fits any message to every limit, and does not change one that already fits', () => {
    fc.assert(
      fc.property(payloads, (payload) => {
        const fitted = fitMessage(payload)
        expect(overLimit(fitted)).toEqual([])
        expect(fitMessage(fitted)).toEqual(fitted)
      }),
      { numRuns: 200 },
    )
  })
})

const longText = fc.tuple(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 600 })).map(([text, times]) =>
  text
    .repeat(times)
    .slice(0, 6_000)
    .replace(/[\uD800-\uDBFF]$/, ''),
)
const optional = { requiredKeys: [] as [] }
const embeds = fc.record(
  {
    title: longText,
    description: longText,
    url: fc.webUrl(),
    fields: fc.array(fc.record({ name: longText, value: longText }), { maxLength: 30, size: 'max' }),
    image: fc.record({ url: fc.oneof(fc.constant(''), fc.webUrl()) }),
    thumbnail: fc.record({ url: fc.oneof(fc.constant(''), fc.webUrl()) }),
    author: fc.record({
      name: longText,
      icon_url: fc.oneof(fc.constant(''), fc.constant('ftp://a.example'), fc.webUrl()),
    }),
    footer: fc.record({ text: longText }),
  },
  optional,
)
const payloads: fc.Arbitrary<Payload> = fc.record(
  {
    content: longText,
    username: longText,
    embeds: fc.array(embeds as fc.Arbitrary<Embed>, { maxLength: 12 }),
    components: fc.array(
      fc.record({
        type: fc.constant(1 as const),
        components: fc.array(fc.tuple(longText, fc.webUrl()).map(([label, url]) => linkButton(label, url))),
      }),
    ),
  },
  optional,
) as fc.Arbitrary<Payload>

/** The name of every limit that the message exceeds. */
function overLimit({ content, username, embeds = [], components = [] }: Payload): string[] {
  const texts = embeds.flatMap((embed) => [
    ['title', embed.title, LIMITS.title] as const,
    ['description', embed.description, LIMITS.description] as const,
    ['author', embed.author?.name, LIMITS.author] as const,
    ['footer', embed.footer?.text, LIMITS.footer] as const,
    ...(embed.fields ?? []).flatMap(({ name, value }) => [
      ['name', name, LIMITS.fieldName] as const,
      ['value', value, LIMITS.fieldValue] as const,
    ]),
  ])
  const total = texts.reduce((sum, [, text]) => sum + (text?.length ?? 0), 0)
  const all = [...texts, ['content', content, 2_000] as const, ['username', username, 80] as const]
  const breaches: string[] = all
    .filter(([, text, max]) => text !== undefined && (text.trim() === '' || text.length > max))
    .map(([name]) => name)
  if (total > 6_000) breaches.push('total')
  if (embeds.length > 10) breaches.push('embeds')
  const isBad = (url: string | undefined) => url !== undefined && !/^https?:/.test(url)
  for (const embed of embeds) {
    const pictures = [embed.image?.url, embed.thumbnail?.url, embed.author?.icon_url]
    if (Object.keys(embed).length === 0 || pictures.some(isBad)) breaches.push('empty')
  }
  if (embeds.some(({ fields }) => fields?.length === 0 || (fields?.length ?? 0) > 25)) breaches.push('fields')
  if (components.length > 5 || components.some((row) => row.components.length > 5)) breaches.push('rows')
  return breaches
}
