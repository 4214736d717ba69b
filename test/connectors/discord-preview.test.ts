import fc from 'fast-check'
import { expect, it } from 'vitest'
import { escapeMarkdown } from '../../src/connectors/discord-message.ts'
import { spansOf } from '../../src/connectors/discord-preview/markdown.ts'
import { timestampText } from '../../src/connectors/discord-preview/timestamp.ts'

const clock = { now: new Date('2026-11-21T09:05:00Z'), timeZone: 'UTC' }
const read = (text: string) => spansOf(text, clock)

it('shows an escaped text unchanged, in one style', () => {
  const marks = fc.string({ unit: fc.constantFrom(...'\\*_~`|<>[](){}#-+@! ab1\n', '<t:1:R>', '](https://x.y)', '> ') })
  fc.assert(
    fc.property(marks, (text) => {
      const spans = read(escapeMarkdown(text))
      expect(spans.map((span) => span.text).join('')).toBe(text)
      expect(spans.filter(({ text: _text, ...style }) => Object.keys(style).length > 0)).toEqual([])
    }),
    { numRuns: 1_000 },
  )
})

it('ends bold text at its own marks, not at escaped ones', () => {
  expect(read('**On \\*Vacation\\***, soon')).toEqual([
    { text: 'On ', bold: true },
    { text: '*', bold: true },
    { text: 'Vacation', bold: true },
    { text: '*', bold: true },
    { text: ', soon' },
  ])
})

it.each(['*', '*['])('reads a text of 4,096 characters full of "%s" within a second', (marks) => {
  const text = escapeMarkdown(marks.repeat(4_096)).slice(0, 4_096)
  const start = performance.now()
  read(text)
  expect(performance.now() - start).toBeLessThan(1_000)
})

it('an escaped bracket starts no link', () => {
  const spans = read('[x\\](https://evil.example) \\<@1>')
  expect(spans.map(({ text }) => text).join('')).toBe('[x](https://evil.example) <@1>')
  expect(spans.some(({ marked }) => marked)).toBe(false)
})

it.each([
  [3_599, 'in 1 hour'],
  [3_569, 'in 59 minutes'],
  [-3_600, '1 hour ago'],
  [59.4, 'in 59 seconds'],
  [59.6, 'in 1 minute'],
  [86_399, 'in 1 day'],
  [10 * 365.25 * 86_400, 'in 10 years'],
])('shows %d s as "%s"', (seconds, expected) => {
  expect(timestampText(new Date(clock.now.getTime() + seconds * 1_000), 'R', clock.now)).toBe(expected)
})
