import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decideMoment,
  type EarlierMessage,
  MOMENT_MS,
  type Moment,
  type Part,
  type Situation,
} from '../../../../pipelines/rocket-launches/discord/moments.ts'
import { KIND_NAMES, type NoticeKind } from '../../../../pipelines/rocket-launches/discord/notice-kinds.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const NOW = new Date('2026-11-21T05:00:00Z')
const NET = new Date('2026-11-21T06:00:00Z')
const ahead = (minutes: number) => new Date(NOW.getTime() + minutes * MINUTE)

function part(kind: NoticeKind, changes: Partial<Part> & { offsetMs?: number; net?: Date } = {}): Part {
  const { offsetMs = HOUR, net = NET, ...rest } = changes
  const facts = {
    ...{ name: 'Falcon 9', net: net.toISOString(), precision: 1, status: 1, statusName: null, pad: null },
    ...{ location: null, webcast: null, details: null, because: null },
    ...(kind === 'reminder' && { offsetMs }),
  }
  return { kind, subject: kind, reason: 'due', expiresAt: ahead(60), facts, ...rest }
}

function earlier(kind: 'card' | NoticeKind, changes: Partial<EarlierMessage> = {}): EarlierMessage {
  return { row: 7, kind, status: 1, postedAt: ahead(-10), reminders: [], ...changes }
}

function decide(changes: Partial<Situation>): Moment {
  return decideMoment({
    ...{ now: NOW, status: 1, cardPosts: false, due: [], waiting: [], soon: [], earlier: [] },
    ...changes,
  })
}

/** `go ← slip`, `7 ← webcast`: the lead, and what each message holds. */
function words({ lead, merged, webcastWaits }: Moment): string[] {
  return [
    ...(lead ? [lead.kind] : []),
    ...merged.map(({ part: { kind }, into }) => `${into} ← ${kind}`),
    ...(webcastWaits ? ['the webcast waits'] : []),
  ]
}

describe('one moment', () => {
  const reminder = part('reminder')
  const webcast = part('webcast')
  it.each<[string, Partial<Situation>, string[]]>([
    [
      'a card posted when a reminder is due is that reminder',
      { cardPosts: true, due: [reminder] },
      ['card ← reminder'],
    ],
    ['a card also is the reminder that is due soon', { cardPosts: true, soon: [reminder] }, ['card ← reminder']],
    [
      'a card on the channel holds the reminder that only posts cards',
      { due: [part('reminder', { cardOnly: true })] },
      ['card ← reminder'],
    ],
    [
      'the end of a hold with a new T-0 is one post',
      { due: [part('slip'), part('go'), reminder] },
      ['go', 'lead ← slip', 'lead ← reminder'],
    ],
    ['a hold with a new T-0 is one post', { due: [part('slip'), part('hold')] }, ['hold', 'lead ← slip']],
    [
      'a slip holds the reminder that is due soon',
      { due: [part('slip')], soon: [reminder] },
      ['slip', 'lead ← reminder'],
    ],
    ['a reminder holds the webcast', { due: [webcast, reminder] }, ['reminder', 'lead ← webcast']],
    [
      'a reminder does not hold the next one',
      { due: [reminder], soon: [part('reminder', { offsetMs: 10 * MINUTE })] },
      ['reminder'],
    ],
    ['a webcast waits for a reminder', { due: [webcast], soon: [reminder] }, ['the webcast waits']],
    ['a webcast alone is a post', { due: [webcast] }, ['webcast']],
    [
      'a webcast soon after a reminder is added to it',
      { due: [webcast], earlier: [earlier('reminder')] },
      ['7 ← webcast'],
    ],
    [
      'a webcast long after a reminder is a post',
      { due: [webcast], earlier: [earlier('reminder', { postedAt: ahead(-15) })] },
      ['webcast'],
    ],
    ['a reminder soon after a slip is added to it', { due: [reminder], earlier: [earlier('slip')] }, ['7 ← reminder']],
    [
      'a reminder soon after a hold that is over is a post',
      { due: [reminder], earlier: [earlier('hold', { status: 5 })] },
      ['reminder'],
    ],
    ['a reminder soon after a reminder is a post', { due: [reminder], earlier: [earlier('reminder')] }, ['reminder']],
    [
      'a reminder after the last one that may be a post is part of the latest message',
      {
        due: [reminder],
        maxReminders: 2,
        earlier: [
          earlier('reminder', { row: 1, postedAt: ahead(-200) }),
          earlier('reminder', { row: 2, postedAt: ahead(-180) }),
          earlier('slip', { postedAt: ahead(-90) }),
        ],
      },
      ['7 ← reminder'],
    ],
    [
      'a liftoff soon after a reminder is a post',
      { due: [part('liftoff')], earlier: [earlier('reminder')] },
      ['liftoff'],
    ],
    [
      'an unsent slip and a result are one post',
      { waiting: [part('slip', { row: 3 })], due: [part('result')] },
      ['result', 'lead ← slip'],
    ],
    [
      'an unsent card does not hide a hold',
      { cardPosts: true, due: [part('hold'), reminder] },
      ['hold', 'card ← reminder'],
    ],
  ])('%s', (_name, situation, expected) => expect(words(decide(situation))).toEqual(expected))

  it.each([
    [59, ['slip', '7 ← reminder']],
    [60, ['slip', 'lead ← reminder']],
  ])('a reminder for a T-0 that is %d min later is the earlier one, or a new one', (minutes, expected) => {
    const reminders = [{ offsetMs: HOUR, net: new Date(NET.getTime() - minutes * MINUTE) }]
    const situation = { due: [part('slip'), reminder], earlier: [earlier('reminder', { postedAt: null, reminders })] }
    expect(words(decide(situation)).sort()).toEqual([...expected].sort())
  })
})

const offset = fc.constantFrom(10, 60, 1_440).map((minutes) => minutes * MINUTE)
const net = fc.integer({ min: -90, max: 90 }).map((minutes) => new Date(NET.getTime() + minutes * MINUTE))
const notices = fc.uniqueArray(
  fc
    .record({ kind: fc.constantFrom(...KIND_NAMES), offsetMs: offset, net, cardOnly: fc.boolean() })
    .map(({ kind, cardOnly, ...rest }) =>
      part(kind, { ...rest, ...(kind === 'reminder' && cardOnly && { cardOnly }) }),
    ),
  { selector: ({ kind }) => kind, maxLength: 5 },
)
const situations: fc.Arbitrary<Situation> = fc.record({
  now: fc.constant(NOW),
  status: fc.constantFrom(1, 5),
  cardPosts: fc.boolean(),
  due: notices,
  waiting: notices.map((all) => all.map(({ cardOnly: _cardOnly, ...one }, index) => ({ ...one, row: 100 + index }))),
  maxReminders: fc.constantFrom(undefined, 0, 1, 2),
  soon: fc.uniqueArray(offset, { maxLength: 2 }).map((all) => all.map((offsetMs) => part('reminder', { offsetMs }))),
  earlier: fc.array(
    fc.record({
      row: fc.integer({ min: 1, max: 9 }),
      kind: fc.constantFrom('card' as const, ...KIND_NAMES),
      status: fc.constantFrom(1, 5),
      postedAt: fc.option(fc.integer({ min: 0, max: 30 }).map((minutes) => ahead(-minutes))),
      reminders: fc.array(fc.record({ offsetMs: offset, net }), { maxLength: 2 }),
    }),
    { maxLength: 3 },
  ),
})

describe('in any situation', () => {
  const always = (check: (situation: Situation, moment: Moment) => void) =>
    fc.assert(
      fc.property(situations, (one) => check(one, decideMoment(one))),
      { numRuns: 2_000 },
    )
  const isLight = ({ kind }: Part) => kind === 'reminder' || kind === 'webcast'

  it('no notice is lost, and none is in two messages', () => {
    always(({ due, waiting, soon }, { lead, merged, webcastWaits }) => {
      const placed = [...(lead ? [lead] : []), ...merged.map((one) => one.part)]
      expect(new Set(placed).size).toBe(placed.length)
      for (const one of [...due, ...waiting])
        if (!(webcastWaits && one.kind === 'webcast')) expect(placed).toContain(one)
      for (const one of placed) expect([...due, ...waiting, ...soon]).toContain(one)
    })
  })

  it('each notice is in a message that exists, and a card holds only what it shows', () => {
    always(({ earlier: before, cardPosts }, { lead, merged }) => {
      for (const { part: one, into } of merged) {
        if (into === 'lead') expect(lead).toBeDefined()
        if (into === 'card') expect(isLight(one) || (cardPosts && one.kind === 'result')).toBe(true)
        if (typeof into === 'number') expect(before.map(({ row }) => row)).toContain(into)
      }
    })
  })

  it('a change of the status or of T-0 is never hidden in an earlier message or behind a lesser headline', () => {
    always(({ due, waiting, cardPosts }, { lead, merged }) => {
      // A card that is posted now has the result as its headline.
      const isNews = (one: Parameters<typeof isLight>[0]) => !isLight(one) && !(cardPosts && one.kind === 'result')
      if ([...due, ...waiting].some(isNews)) expect(lead && isLight(lead)).toBe(false)
      for (const { part: one, into } of merged) if (isNews(one)) expect(into).toBe('lead')
    })
  })

  it('a card and a message of reminders and webcasts are never posted together', () => {
    always(({ cardPosts }, { lead }) => {
      if (cardPosts && lead) expect(isLight(lead)).toBe(false)
    })
  })

  it('a webcast never follows a message within the moment, and waits only for a reminder', () => {
    always(({ earlier: before, waiting, soon, now }, { lead, webcastWaits }) => {
      const recent = before.some(({ postedAt }) => postedAt !== null && now.getTime() - postedAt.getTime() < MOMENT_MS)
      if (lead?.kind === 'webcast' && recent) expect(waiting).toContain(lead)
      if (webcastWaits) expect([soon.length > 0, lead]).toEqual([true, undefined])
    })
  })
})
