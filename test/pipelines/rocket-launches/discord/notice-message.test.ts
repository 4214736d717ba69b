import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EN } from '../../../../pipelines/launches/words/en.ts'
import { KO } from '../../../../pipelines/launches/words/ko.ts'
import { KIND_NAMES, type NoticeKind } from '../../../../pipelines/rocket-launches/discord/notice-kinds.ts'
import { noticeMessage } from '../../../../pipelines/rocket-launches/discord/notice-message.ts'
import type { NoticeFacts } from '../../../../pipelines/rocket-launches/discord/notices.ts'
import { isMaterial } from '../../../../pipelines/rocket-launches/discord/slip.ts'
import { isEmpty, issuesOf } from '../../../../pipelines/rocket-launches/stand-ins/discord-rules.ts'
import { renderMessage } from '../../../../src/connectors/discord-preview/render-message.ts'

const now = new Date('2026-11-21T05:00:00Z')

const FACTS: NoticeFacts = {
  name: 'Falcon 9 Block 5 | Starlink Group 6-99',
  net: '2026-11-21T08:00:00.000Z',
  precision: 1,
  status: 1,
  statusName: null,
  pad: 'Space Launch Complex 40',
  location: 'Cape Canaveral SFS, FL, USA',
  webcast: 'https://www.youtube.com/watch?v=abc',
  details: 'https://spacelaunchnow.me/launch/x',
  because: null,
}
const WAS = { net: '2026-11-21T06:00:00.000Z', precision: 1 }

describe('a notice', () => {
  it('of a slip shows the old and the new time for every time zone', () => {
    expect(noticeMessage({ ...FACTS, was: WAS, because: 'Upper-level winds' }, 'slip', EN)).toEqual({
      embeds: [
        {
          title: 'Falcon 9 Block 5 | Starlink Group 6-99',
          url: 'https://spacelaunchnow.me/launch/x',
          description:
            '**Postponed by 2 hours**\n~~<t:1795240800:F>~~\n→ <t:1795248000:F> · <t:1795248000:R>\nReason: Upper-level winds',
          color: 0xffbf00,
        },
      ],
      components: [
        { type: 1, components: [{ type: 2, style: 5, label: 'Details', url: 'https://spacelaunchnow.me/launch/x' }] },
      ],
    })
  })

  it.each<[NoticeKind, Partial<NoticeFacts>, string]>([
    ['slip', { was: WAS }, '~~06:00~~ → 08:00 in 3 hours'],
    [
      'slip',
      { was: WAS, now: { net: '2026-11-21T09:00:00.000Z', precision: 1 } },
      '~~06:00~~ ~~08:00~~ → 09:00 in 4 hours',
    ],
    ['slip', { was: { net: '2026-12-31T00:00:00.000Z', precision: 7 } }, '~~NET December 2026~~ → 08:00 in 3 hours'],
    ['slip', { net: '2027-02-01T00:00:00.000Z', precision: 7, was: WAS }, '~~06:00~~ → NET February 2027'],
    ['hold', { status: 5, because: 'Weather' }, '⏸️ On hold 08:00 Reason: Weather'],
    ['go', {}, '🟢 Go for launch again 08:00 in 3 hours'],
    ['liftoff', { status: 6 }, '🚀 Liftoff 08:00 in 3 hours'],
    ['result', { status: 3 }, '✅ Launch successful 08:00 [ Details ↗ ]'],
    // The reason of a hold that is over.
    [
      'go',
      { status: 1, because: 'Weather' },
      'in 3 hours Space Launch Complex 40, Cape Canaveral SFS, FL, USA [ Watch',
    ],
    ['result', { status: 4, because: 'It exploded' }, '❌ Launch failed 08:00 Reason: It exploded [ Details ↗ ]'],
    ['result', { status: 7 }, '⚠️ Partial failure 08:00'],
    ['reminder', { offsetMs: 86_400_000 }, 'T-1 day 08:00 in 3 hours Space Launch Complex 40, Cape Canaveral'],
    ['reminder', { offsetMs: 3_600_000 }, 'T-1 hour 08:00 in 3 hours'],
    ['reminder', { offsetMs: 600_000 }, 'T-10 minutes 08:00 in 3 hours'],
    ['reminder', { offsetMs: 90 * 60_000 }, 'T-1 hour 30 minutes 08:00 in 3 hours'],
    ['webcast', {}, 'Webcast is live 08:00 in 3 hours'],
  ])('of kind %s with %j reads "%s"', (kind, changes, expected) => {
    const text = renderMessage(noticeMessage({ ...FACTS, ...changes }, kind, EN), {
      color: false,
      now,
      timeZone: 'UTC',
      width: 100,
    })
    const plain = text.replaceAll('Saturday 21 November 2026 ', '').replaceAll(' UTC', '').replaceAll('▌', '')
    expect(plain.replace(/[·\s]+/g, ' ')).toContain(expected)
  })

  it.each<[NoticeKind, Partial<NoticeFacts>, string]>([
    [
      'slip',
      { was: WAS, because: 'Weather' },
      '**2시간 연기**\n~~<t:1795240800:F>~~\n→ <t:1795248000:F> · <t:1795248000:R>\n사유: Weather',
    ],
    [
      'slip',
      { net: '2027-02-01T00:00:00.000Z', precision: 7, was: WAS },
      '**연기, 날짜 다시 미정**\n~~<t:1795240800:F>~~\n→ 2027년 2월 이후',
    ],
    ['reminder', { offsetMs: 3_600_000 }, '**발사 1시간 전**\n'],
    ['liftoff', { status: 6 }, '**🚀 이륙**\n'],
    ['result', { status: 3 }, '**✅ 발사 성공**\n'],
  ])('of kind %s with %j reads in Korean "%s"', (kind, changes, expected) => {
    expect(noticeMessage({ ...FACTS, ...changes }, kind, KO).embeds?.[0]?.description).toContain(expected)
  })

  it('of a status has its emoji in the headline, as the card does; other notices have none', () => {
    const headline = (kind: NoticeKind, facts: Partial<NoticeFacts>) =>
      noticeMessage({ ...FACTS, ...facts }, kind, EN).embeds?.[0]?.description?.split('\n')[0]
    expect(headline('hold', { status: 5, was: WAS })).toBe('**⏸️ On hold · Postponed by 2 hours**')
    expect(headline('go', { was: WAS })).toMatch(/^\*\*🟢 Go again, new T-0 /)
    expect(headline('result', { status: 42, statusName: 'Landed' })).toBe('**Landed**')
    for (const kind of ['slip', 'reminder', 'webcast'] as const)
      expect(headline(kind, { was: WAS })).not.toMatch(/\p{Extended_Pictographic}/u)
  })

  it.each(KIND_NAMES)('of kind %s links the webcast only if there is something to watch', (kind) => {
    const labels = (facts: NoticeFacts) =>
      (noticeMessage(facts, kind, EN).components ?? []).flatMap((row) => row.components.map(({ label }) => label))
    const watchable = ['go', 'liftoff', 'reminder', 'webcast'].includes(kind)
    expect(labels(FACTS)).toEqual(watchable ? ['Watch', 'Details'] : ['Details'])
    expect(labels({ ...FACTS, webcast: null, details: null })).toEqual([])
    expect(noticeMessage({ ...FACTS, webcast: null, details: null }, kind, EN)).not.toHaveProperty('components')
  })

  it('escapes mentions, links and formatting', () => {
    const evil = '@everyone [x](https://evil.example) <@1> **b**'
    const [embed] =
      noticeMessage({ ...FACTS, name: evil, because: evil, pad: evil, location: null, was: WAS }, 'reminder', EN)
        .embeds ?? []
    const safe = '@\u200Beveryone [x\\](https://evil.example) \\<@1> \\*\\*b\\*\\*'
    expect(embed?.title).toBe(safe)
    expect(embed?.description?.split('\n').slice(-2)).toEqual([safe, `Reason: ${safe}`])
  })

  it.each(KIND_NAMES)('of kind %s stays within the limits with texts of any length', (kind) => {
    const long = '@everyone **word** <t:1:R> '.repeat(400)
    const facts = { ...FACTS, name: long, pad: long, location: long, because: long, was: WAS, offsetMs: 3_600_000 }
    expect(issuesOf({ ...noticeMessage(facts, kind, EN) })).toEqual([])
  })

  it('is valid for Discord with any facts, and never shows a placeholder as a time', () => {
    const text = fc.option(fc.string({ unit: 'grapheme', maxLength: 400 }), { nil: null })
    const net = fc
      .date({ min: new Date('1990-01-01'), max: new Date('2200-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString())
    const precision = fc.integer({ min: 0, max: 18 })
    const facts: fc.Arbitrary<NoticeFacts> = fc.record({
      name: fc.string({ unit: 'grapheme', minLength: 1 }).filter((name) => name.trim() !== ''),
      net,
      precision,
      status: fc.integer({ min: 0, max: 12 }),
      statusName: text,
      pad: text,
      location: text,
      webcast: fc.option(fc.webUrl(), { nil: null }),
      details: fc.option(fc.webUrl(), { nil: null }),
      because: text,
      was: fc.record({ net, precision }),
      offsetMs: fc.integer({ min: 1_000, max: 30 * 86_400_000 }),
      now: fc.record({ net, precision }),
      live: fc.constant(true as const),
      parts: fc.subarray(KIND_NAMES),
    })
    fc.assert(
      fc.property(facts, fc.constantFrom(...KIND_NAMES), (one, kind) => {
        // Only material moves are announced.
        const [was, is] = [one.was ?? one, one].map(({ net, precision }) => ({ net: new Date(net), precision }))
        fc.pre(was !== undefined && is !== undefined && isMaterial(was, is, now))
        const message = noticeMessage(one, kind, EN)
        expect(issuesOf({ ...message })).toEqual([])
        expect(isEmpty({ ...message })).toBe(false)
        const silent = noticeMessage({ ...one, pad: null, location: null, because: null, statusName: null }, kind, EN)
        const shown = silent.embeds?.[0]?.description ?? ''
        expect(shown).not.toMatch(/\d\d:\d\d/)
        expect(shown).not.toContain('****')
        if ([one, one.was, one.now].every((time) => (time?.precision ?? 9) > 2)) expect(shown).not.toContain('<t:')
        expect(shown).not.toMatch(/undefined|null|NaN|by \*\*/)
      }),
    )
  })
})
