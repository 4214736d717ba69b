import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KnownLaunch } from '../../../../pipelines/launches/launch.ts'
import { periodStart } from '../../../../pipelines/launches/time.ts'
import { EN } from '../../../../pipelines/launches/words/en.ts'
import { KIND_NAMES, type NoticeKind } from '../../../../pipelines/rocket-launches/discord/notice-kinds.ts'
import { noticeMessage } from '../../../../pipelines/rocket-launches/discord/notice-message.ts'
import {
  decideNotices,
  type LastAnnounced,
  type Notice,
  type Rules,
  type Times,
} from '../../../../pipelines/rocket-launches/discord/notices.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const ALL: Rules = { notices: new Set(KIND_NAMES), reminders: [DAY, HOUR, 10 * MINUTE] }
const NOW = new Date('2026-11-21T05:00:00Z')

const ago = (ms: number) => new Date(NOW.getTime() - ms)
const ahead = (ms: number) => new Date(NOW.getTime() + ms)
const soon = (ms: number) => ({ net: ahead(ms) })

type Changes = Partial<KnownLaunch>

/** A launch in three hours, unless `changes` says otherwise. */
function launch(changes: Changes = {}): KnownLaunch {
  return {
    id: 1,
    launch_id: 'e2b8dd4c',
    name: 'Falcon 9 | Starlink',
    slug: 'falcon-9-starlink',
    net: ahead(3 * HOUR),
    net_precision: 1,
    status_id: 1,
    status_name: '',
    last_updated: null,
    window_start: null,
    window_end: null,
    provider: 'SpaceX',
    rocket: 'Falcon 9',
    family: null,
    pad: 'SLC-40',
    location: 'Cape Canaveral SFS, FL, USA',
    latitude: null,
    longitude: null,
    mission_name: null,
    mission_type: null,
    mission_description: null,
    orbit: null,
    probability: null,
    hold_reason: null,
    fail_reason: null,
    image_url: null,
    image_credit: null,
    webcast_url: 'https://www.youtube.com/watch?v=abc',
    webcast_live: false,
    info_url: null,
    first_seen_at: null,
    updated_at: null,
    vanished_at: null,
    ...changes,
  }
}

const at = (changes: Partial<Times> = {}): Times => ({ now: NOW, asOf: changes.now ?? NOW, netSince: null, ...changes })

/** What counts as announced after a card of this launch. */
function announcedOf(announced: KnownLaunch, changes: Partial<LastAnnounced> = {}): LastAnnounced {
  return { ...decideNotices(announced, undefined, at({ now: ago(30 * DAY) }), ALL).announced, ...changes }
}

/** The notices after an announced launch changed from `before` to `after`: kinds and subjects. */
function sentAfter(before: KnownLaunch, after: KnownLaunch, when: Partial<Times> = {}, rules: Rules = ALL): string[] {
  return decideNotices(after, announcedOf(before), at(when), rules).notices.map(
    ({ kind, subject }) => `${kind} ${subject}`,
  )
}

const line = (notice: Notice | undefined, index = 0) =>
  notice && noticeMessage(notice.facts, notice.kind, EN).embeds?.[0]?.description?.split('\n')[index]

/** The first line of the slip's message. */
function headline(before: Partial<KnownLaunch>, after: Partial<KnownLaunch>): string | undefined {
  const { notices } = decideNotices(launch(after), announcedOf(launch(before)), at(), ALL)
  return line(notices.find(({ kind }) => kind === 'slip'))
}

describe('a launch never announced', () => {
  it('is announced by its card and nothing else', () => {
    const first = decideNotices(launch({ status_id: 6, webcast_live: true }), undefined, at(), ALL)
    const { net } = launch()
    expect(first).toEqual({
      notices: [],
      announced: { net, precision: 1, status: 6, webcastLive: true, slips: 0, holds: 0 },
    })
  })

  it('gets a reminder that is due', () => {
    const { notices } = decideNotices(launch(soon(HOUR)), undefined, at(), ALL)
    expect(notices.map(({ subject }) => subject)).toEqual(['T-1h#0'])
  })
})

describe('the reason of a notice', () => {
  it.each<[string, Changes, Changes]>([
    ['time 2026-11-21 08:00Z → 2026-11-22 08:00Z', {}, soon(27 * HOUR)],
    ['time 2026-11-21 08:00Z → NET December 2026', {}, { ...soon(30 * DAY), net_precision: 7 }],
    ['status Go → Hold', {}, { status_id: 5 }],
    ['status Hold → Go', { status_id: 5 }, {}],
    ['status 77 → In Flight', { ...soon(-MINUTE), status_id: 77 }, { ...soon(-MINUTE), status_id: 6 }],
    ['due at 2026-11-21 05:00Z, 1h before NET', soon(HOUR), soon(HOUR)],
    ['the webcast went live', {}, { webcast_live: true }],
  ])('%s', (reason, before, after) => {
    const { notices } = decideNotices(launch(after), announcedOf(launch(before)), at(), ALL)
    expect(notices.map((notice) => notice.reason)).toEqual([reason])
  })
})

describe('slips', () => {
  it.each<[string, number, number, boolean]>([
    ['14 min inside a day', 3 * HOUR, 14 * MINUTE, false],
    ['15 min inside a day', 3 * HOUR, 15 * MINUTE, true],
    ['15 min inside a day, earlier', 3 * HOUR, -15 * MINUTE, true],
    ['out of the day, by the nearer of the two', 23 * HOUR, 2 * HOUR, true],
    ['into the day, by the nearer of the two', 25 * HOUR, -70 * MINUTE, true],
    ['119 min inside a week', 3 * DAY, 119 * MINUTE, false],
    ['2 h inside a week', 3 * DAY, 2 * HOUR, true],
    ['23 h beyond a week', 30 * DAY, 23 * HOUR, false],
    ['a day beyond a week', 30 * DAY, DAY, true],
    ['to a date last week, which is no nearer for being past', -8 * DAY, 3 * HOUR, false],
  ])('%s', (_name, away, by, expected) => {
    const before = launch(soon(away))
    expect(sentAfter(before, launch(soon(away + by)))).toEqual(expected ? ['slip slip:1'] : [])
  })

  it('are compared with the last announced NET, so small moves add up', () => {
    const moved = (by: number, announced: LastAnnounced) =>
      decideNotices(launch(soon(3 * HOUR + by)), announced, at(), ALL)
    const first = moved(10 * MINUTE, announcedOf(launch()))
    expect(first.notices).toEqual([])
    const second = moved(20 * MINUTE, first.announced)
    expect(second.notices[0]?.facts.was).toEqual({ net: ahead(3 * HOUR).toISOString(), precision: 1 })
    expect(second.announced).toMatchObject({ net: ahead(3 * HOUR + 20 * MINUTE), slips: 1 })
  })

  it.each<[string, number | null, number | null, boolean]>([
    ['second and hour', 0, 2, false],
    ['hour and day', 2, 5, true],
    ['day and morning', 5, 3, false],
    ['morning and afternoon', 3, 4, false],
    ['hour and afternoon', 2, 4, true],
    ['month and unknown', 7, null, false],
    ['month and quarter', 7, 11, true],
  ])('between precisions: %s', (_name, before, after, expected) => {
    const net = new Date('2026-12-31T00:00:00Z')
    for (const [old, present] of [
      [before, after],
      [after, before],
    ] as const)
      expect(sentAfter(launch({ net, net_precision: old }), launch({ net, net_precision: present }))).toEqual(
        expected ? ['slip slip:1'] : [],
      )
  })

  it('are not posted while a placeholder moves within its period', () => {
    const month = (net: string) => launch({ net: new Date(net), net_precision: 7 })
    expect(sentAfter(month('2026-12-31T00:00:00Z'), month('2026-12-15T00:00:00Z'))).toEqual([])
    expect(sentAfter(month('2026-12-31T00:00:00Z'), month('2027-01-31T00:00:00Z'))).toEqual(['slip slip:1'])
  })

  it('are posted after ten minutes without a change', () => {
    const [before, after] = [launch(), launch(soon(5 * HOUR))]
    expect(sentAfter(before, after, { netSince: ago(10 * MINUTE - 1) })).toEqual([])
    expect(sentAfter(before, after, { netSince: ago(10 * MINUTE) })).toEqual(['slip slip:1'])
  })

  it('do not change what counts as announced before that, and vanish if NET moves back', () => {
    const announced = announcedOf(launch())
    const moving = decideNotices(launch(soon(5 * HOUR)), announced, at({ netSince: NOW }), ALL)
    expect(moving).toEqual({ notices: [], announced })
    const back = decideNotices(
      launch(),
      moving.announced,
      at({ now: ahead(8 * MINUTE), netSince: ahead(8 * MINUTE) }),
      ALL,
    )
    expect(back).toEqual({ notices: [], announced })
  })

  it.each<[string, number, number]>([
    ['the old', 30 * MINUTE, 2 * HOUR],
    ['the new', 2 * HOUR, 30 * MINUTE],
    ['a past', -30 * MINUTE, 2 * HOUR],
  ])('are posted at once within half an hour of %s T-0', (_name, old, present) => {
    expect(sentAfter(launch(soon(old)), launch(soon(present)), { netSince: NOW })).toEqual(['slip slip:1'])
    const further = (away: number) => (Math.abs(away) === 30 * MINUTE ? away * 1.1 : away)
    expect(sentAfter(launch(soon(further(old))), launch(soon(further(present))), { netSince: NOW })).toEqual([])
  })

  it('also wait if only a placeholder is near', () => {
    const midnight = launch({ net: new Date('2026-11-21T00:00:00Z'), net_precision: 5 })
    const when = { now: new Date('2026-11-21T00:10:00Z'), netSince: new Date('2026-11-21T00:09:00Z') }
    expect(sentAfter(midnight, launch({ net: new Date('2026-11-22T00:00:00Z'), net_precision: 5 }), when)).toEqual([])
  })

  it.each([3, 4, 6, 7, 9])('are not posted for a launch that has flown (status %d)', (status_id) => {
    const before = launch({ status_id })
    expect(sentAfter(before, launch({ ...soon(-HOUR), status_id }))).toEqual([])
  })

  it('count as announced if they are switched off', () => {
    const rules = { ...ALL, notices: new Set<NoticeKind>(['reminder']) }
    const off = decideNotices(launch(soon(5 * HOUR)), announcedOf(launch()), at(), rules)
    expect(off.notices).toEqual([])
    expect(off.announced).toMatchObject({ net: ahead(5 * HOUR), slips: 1 })
    expect(decideNotices(launch(soon(5 * HOUR)), off.announced, at(), ALL).notices).toEqual([])
  })

  it.each<[string, Partial<KnownLaunch>, Partial<KnownLaunch>]>([
    ['Postponed by 2 hours', soon(3 * HOUR), soon(5 * HOUR)],
    ['Moved forward by 2 hours', soon(5 * HOUR), soon(3 * HOUR)],
    ['Postponed by 1 day 3 hours', soon(3 * HOUR), soon(30 * HOUR + 30 * MINUTE)],
    ['Postponed by 21 minutes', soon(3 * HOUR), soon(3 * HOUR + 21.9 * MINUTE)],
    ['Postponed by 6 days 23 hours', soon(3 * HOUR), soon(7 * DAY + 2 * HOUR)],
    ['Postponed by 8 days', soon(3 * HOUR), soon(8 * DAY + HOUR)],
    ['Postponed by 3 days', on('2026-12-12', 5), on('2026-12-15', 5)],
    ['Moved forward by 7 days', on('2026-12-20', 6), on('2026-12-13', 6)],
    ['Postponed by 1 day', on('2026-11-22', 3), on('2026-11-23', 4)],
    ['Postponed', on('2026-12-31', 7), on('2027-02-28', 7)],
    ['Moved forward', on('2027-12-31', 11), on('2027-09-30', 10)],
    ['Time set', on('2026-12-12', 5), on('2026-12-12T14:05', 1)],
    ['Time set', on('2026-12-12', 5), on('2026-12-13T00:02', 1)],
    ['Postponed, time set', on('2026-12-12', 5), on('2026-12-13T12:00', 1)],
    ['Time open again', on('2026-12-13T00:02', 1), on('2026-12-12', 5)],
    ['Date set', on('2026-12-31', 7), on('2026-12-12', 5)],
    ['Date set', on('2026-12-31', 11), on('2026-12-12T14:05', 1)],
    ['Date narrowed down', on('2026-12-31', 14), on('2026-12-31', 11)],
    ['Time open again', on('2026-12-12T14:05', 1), on('2026-12-12', 5)],
    ['Date open again', on('2026-12-12T14:05', 1), on('2026-12-31', 7)],
    ['Postponed, time open again', on('2026-12-12T14:05', 1), on('2026-12-14', 5)],
    ['Moved forward, date set', on('2026-12-31', 7), on('2026-11-29T14:05', 1)],
  ])('read "%s"', (expected, before, after) => expect(headline(before, after)).toBe(`**${expected}**`))
})

function on(date: string, net_precision: number): Partial<KnownLaunch> {
  return { net: new Date(date.includes('T') ? `${date}:00Z` : `${date}T00:00:00Z`), net_precision }
}

describe('notices about a status', () => {
  it.each<[string, number, number, number, string[]]>([
    ['a hold', 1, 5, 3 * HOUR, ['hold hold:1']],
    ['go after a hold', 5, 1, 3 * HOUR, ['go go:0']],
    ['to be confirmed after a hold', 5, 8, 3 * HOUR, []],
    ['go without a hold', 8, 1, 3 * HOUR, []],
    ['no more go', 1, 2, 3 * HOUR, []],
    ['to be determined again', 8, 2, 3 * HOUR, []],
    ['only to be confirmed', 1, 8, 3 * HOUR, []],
    ['back on the ground', 6, 1, -MINUTE, []],
    ['liftoff', 1, 6, -MINUTE, ['liftoff status:6']],
    ['liftoff a little early', 1, 6, MINUTE, ['liftoff status:6']],
    ['a liftoff of 59 min ago', 1, 6, -59 * MINUTE, ['liftoff status:6']],
    ['a liftoff of an hour ago', 1, 6, -HOUR, []],
    ['in flight for 25 days', 1, 6, -25 * DAY, []],
    ['in flight after success', 3, 6, -MINUTE, []],
    ['success', 6, 3, -HOUR, ['result status:3']],
    ['success, liftoff unseen', 1, 3, -HOUR, ['result status:3']],
    ['success, liftoff and payload seen', 9, 3, -HOUR, ['result status:3']],
    ['failure', 6, 4, -HOUR, ['result status:4']],
    ['partial failure', 6, 7, -HOUR, ['result status:7']],
    ['failure after all', 3, 4, -HOUR, ['result status:4']],
    ['a success of 2 days ago', 6, 3, -2 * DAY, []],
    ['payload deployed', 6, 9, -HOUR, []],
    ['a status unknown to us', 1, 42, 3 * HOUR, []],
    ['nothing new', 5, 5, 3 * HOUR, []],
  ])('%s', (_name, before, after, away, expected) => {
    expect(
      sentAfter(launch({ ...soon(away), status_id: before }), launch({ ...soon(away), status_id: after })),
    ).toEqual(expected)
  })

  it('number each hold, and its end with the same number', () => {
    let announced = announcedOf(launch())
    const subjects = [5, 1, 5, 5, 2, 5, 1].flatMap((status_id) => {
      const decision = decideNotices(launch({ status_id }), announced, at(), ALL)
      announced = decision.announced
      return decision.notices.map(({ subject }) => subject)
    })
    expect(subjects).toEqual(['hold:1', 'go:1', 'hold:2', 'hold:3', 'go:3'])
  })

  it('count as announced if they are switched off', () => {
    const off = decideNotices(launch({ status_id: 5 }), announcedOf(launch()), at(), { ...ALL, notices: new Set() })
    expect(off).toEqual({ notices: [], announced: announcedOf(launch(), { status: 5, holds: 1 }) })
  })

  it('gives the reason', () => {
    const reasonOf = (changes: Changes) => {
      const { notices } = decideNotices(launch(changes), announcedOf(launch(soon(-HOUR))), at(), ALL)
      return notices.find(({ kind }) => kind !== 'slip')?.facts.because
    }
    const reasons = { hold_reason: 'High  winds', fail_reason: 'Second stage\r\nexploded' }
    expect(reasonOf({ ...soon(-HOUR), status_id: 5, ...reasons })).toBe('High winds')
    expect(reasonOf({ ...soon(-HOUR), status_id: 4, ...reasons })).toBe('Second stage exploded')
    expect(reasonOf({ ...soon(-HOUR), status_id: 4, fail_reason: '' })).toBeNull()
  })
})

describe('a launch of which no time is known', () => {
  // Its placeholder is the first instant of the day, the week or the month.
  it.each([
    [5, '2026-11-21T00:00:00Z', 23 * HOUR],
    [6, '2026-11-16T00:00:00Z', 6 * DAY],
    [7, '2026-11-01T00:00:00Z', 29 * DAY],
  ])('gets liftoff and result within its period (precision %d)', (net_precision, net, after) => {
    const now = new Date(Date.parse(net) + after)
    const flying = (status_id: number) => launch({ net: new Date(net), net_precision, status_id })
    const kinds = (before: number, present: number) =>
      decideNotices(flying(present), announcedOf(flying(before)), { ...at(), now, asOf: now }, ALL).notices.map(
        ({ kind }) => kind,
      )
    expect([kinds(1, 6), kinds(6, 3)]).toEqual([['liftoff'], ['result']])
  })
})

describe('webcasts', () => {
  const live = (status_id: number) => launch({ status_id, webcast_live: true })

  it.each([
    [1, ['webcast live#0']],
    [5, ['webcast live#0']],
    [6, []],
    [3, []],
    [9, []],
  ])('with status %d', (status_id, expected) => {
    expect(sentAfter(launch({ status_id }), live(status_id))).toEqual(expected)
  })

  it.each([
    [119, ['webcast live#0']],
    [120, []],
  ])('%d minutes after T-0 of a launch whose liftoff is not known', (minutes, expected) => {
    const late = soon(-minutes * MINUTE)
    expect(sentAfter(launch(late), launch({ ...late, webcast_live: true }))).toEqual(expected)
  })

  it('are posted again after a slip', () => {
    const { notices } = decideNotices(live(1), announcedOf(launch(), { slips: 2 }), at(), ALL)
    expect(notices.map(({ subject }) => subject)).toEqual(['live#2'])
  })
})

describe('reminders', () => {
  const due = (away: number, changes: Changes = {}, when: Partial<Times> = {}) => {
    const present = launch({ ...soon(away), ...changes })
    return sentAfter(present, present, when)
  }

  it.each<[string, number, string[]]>([
    ['a second early', HOUR + 1_000, []],
    ['to the second', HOUR, ['reminder T-1h#0']],
    ['5 min late', 55 * MINUTE, ['reminder T-1h#0']],
    ['over 5 min late', 55 * MINUTE - 1, []],
    ['a day before', DAY - MINUTE, ['reminder T-24h#0']],
    ['10 min before', 10 * MINUTE, ['reminder T-10m#0']],
    ['at T-0', 0, []],
    ['after T-0', -1, []],
  ])('%s', (_name, away, expected) => expect(due(away)).toEqual(expected))

  it('are sent by a slow run up to a quarter of an hour late', () => {
    expect(due(46 * MINUTE, {}, { asOf: ago(9 * MINUTE) })).toEqual(['reminder T-1h#0'])
    expect(due(46 * MINUTE, {}, { asOf: ago(8 * MINUTE) })).toEqual([])
    expect(due(44 * MINUTE, {}, { asOf: ago(12 * MINUTE) })).toEqual([])
  })

  it('are sent for the most urgent offset only', () => {
    const rules = { ...ALL, reminders: [12 * MINUTE, 9 * MINUTE, 10 * MINUTE] }
    const present = launch(soon(9 * MINUTE))
    expect(sentAfter(present, present, {}, rules)).toEqual(['reminder T-9m#0'])
  })

  it('are never sent at T-0, however short the offset', () => {
    const at0 = launch(soon(0))
    expect(sentAfter(at0, at0, {}, { ...ALL, reminders: [MINUTE] })).toEqual([])
  })

  it.each([3, 5, 7, null])('are not sent for a placeholder (precision %s)', (net_precision) => {
    expect(due(HOUR, { net_precision })).toEqual([])
  })

  it.each([0, 1, 2])('are sent for a time (precision %d)', (net_precision) => {
    expect(due(HOUR, { net_precision })).toEqual(['reminder T-1h#0'])
  })

  it.each([3, 4, 5, 6, 7, 9])('are not sent on hold or in flight (status %d)', (status_id) => {
    expect(due(HOUR, { status_id })).toEqual([])
  })

  it('are not sent for a launch that is no longer listed', () => {
    expect(due(HOUR, { vanished_at: ago(MINUTE) })).toEqual([])
  })

  it('are sent again after a slip, whether or not slips are switched on', () => {
    const slipped = launch(soon(HOUR))
    const subjects = ['slip slip:1', 'reminder T-1h#1']
    expect(sentAfter(launch(soon(2 * HOUR)), slipped)).toEqual(subjects)
    const rules = { ...ALL, notices: new Set<NoticeKind>(['reminder']) }
    expect(sentAfter(launch(soon(2 * HOUR)), slipped, {}, rules)).toEqual(subjects.slice(1))
  })

  it('are not sent for a T-0 that was not announced yet', () => {
    expect(sentAfter(launch(soon(3 * HOUR)), launch(soon(HOUR)), { netSince: ago(MINUTE) })).toEqual([])
  })

  it('are sent once for a T-0 that moves a little', () => {
    expect(sentAfter(launch(soon(HOUR)), launch(soon(HOUR - 4 * MINUTE)))).toEqual(['reminder T-1h#0'])
    expect(sentAfter(launch(soon(HOUR)), launch(soon(HOUR - MINUTE)))).toEqual(['reminder T-1h#0'])
  })

  it('expire a quarter of an hour after they were due, and at T-0', () => {
    const expiry = (away: number) => decideNotices(launch(soon(away)), undefined, at(), ALL).notices[0]?.expiresAt
    expect(expiry(59 * MINUTE)).toEqual(ahead(14 * MINUTE))
    expect(expiry(9 * MINUTE)).toEqual(ahead(9 * MINUTE))
  })

  it('of two launches at one time are both sent', () => {
    const other = { ...launch(soon(HOUR)), launch_id: 'other', name: 'Vulcan' }
    const both = [launch(soon(HOUR)), other].map(
      (one) => decideNotices(one, announcedOf(one), at(), ALL).notices.length,
    )
    expect(both).toEqual([1, 1])
  })
})

/** For every kind: a change that makes it due, how long it is news, and the launch before if it is not a usual one. */
const EXPIRY: Record<NoticeKind, [after: Changes, ms: number, before?: Changes]> = {
  slip: [soon(5 * HOUR), DAY],
  hold: [{ status_id: 5 }, DAY],
  go: [{ status_id: 1 }, DAY, { status_id: 5 }],
  liftoff: [{ status_id: 6 }, HOUR],
  result: [{ status_id: 3 }, 2 * DAY],
  reminder: [soon(HOUR), 15 * MINUTE, soon(HOUR)],
  webcast: [{ webcast_live: true }, 2 * HOUR],
}

it.each(KIND_NAMES)('%s is posted, and expires when it is no longer news', (kind) => {
  const [after, ms, before] = EXPIRY[kind]
  const { notices } = decideNotices(launch(after), announcedOf(launch(before)), at(), ALL)
  expect(notices.map((notice) => [notice.kind, notice.expiresAt])).toEqual([[kind, ahead(ms)]])
})

/** One step of a history: wait this long, then apply the change. */
interface Look {
  wait: number
  change?: Changes | undefined
  /** How late the run is. */
  late: number
}

/** A decision and its input. */
interface Seen {
  before: LastAnnounced | undefined
  present: KnownLaunch
  when: Times
  /** Notices with a subject that did not occur before: these reach the channel. */
  news: Notice[]
  all: Notice[]
  after: LastAnnounced
}

/** The decisions over a history. Like the outbox, it takes each subject of a kind once. */
function play(history: readonly Look[], rules: Rules = ALL): Seen[] {
  const taken = new Set<string>()
  let present = launch()
  let netSince: Date | null = null
  let announced: LastAnnounced | undefined
  let now = NOW
  return history.map(({ wait, change, late }) => {
    now = new Date(now.getTime() + wait)
    const next = launch({ ...present, ...change })
    const moved = next.net.getTime() !== present.net.getTime() || next.net_precision !== present.net_precision
    if (moved) netSince = now
    present = next
    const when = { now, asOf: new Date(now.getTime() - late), netSince }
    const decision = decideNotices(present, announced, when, rules)
    const news = decision.notices.filter(({ kind, subject }) => !taken.has(`${kind} ${subject}`))
    for (const { kind, subject } of news) taken.add(`${kind} ${subject}`)
    const seen = { before: announced, present, when, news, all: decision.notices, after: decision.announced }
    announced = decision.announced
    return seen
  })
}

const shifts = fc.oneof(
  fc.integer({ min: -20, max: 20 }).map((n) => n * MINUTE),
  fc.integer({ min: -30, max: 30 }).map((n) => n * HOUR),
  fc.integer({ min: -60, max: 60 }).map((n) => n * DAY),
)
const changes = fc.oneof(
  { weight: 4, arbitrary: fc.constant(undefined) },
  { weight: 4, arbitrary: shifts.map((by) => ({ net: new Date(launch().net.getTime() + by) })) },
  {
    weight: 1,
    arbitrary: fc.record({ net_precision: fc.constantFrom(0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 11, 14, null) }),
  },
  { weight: 2, arbitrary: fc.record({ status_id: fc.constantFrom(1, 1, 2, 3, 4, 5, 6, 7, 8, 9) }) },
  { weight: 1, arbitrary: fc.record({ webcast_live: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ vanished_at: fc.constantFrom(null, NOW) }) },
)
const looks: fc.Arbitrary<Look> = fc.record({
  wait: fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 0, max: 12 * 60 }).map((seconds) => seconds * 1_000) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 40 * 60 }).map((minutes) => minutes * MINUTE) },
  ),
  change: changes,
  late: fc.integer({ min: 0, max: 10 }).map((minutes) => minutes * MINUTE),
})
const histories = fc.array(looks, { minLength: 1, maxLength: 40 })

/** Runs `check` on every decision of many histories. */
function always(check: (seen: Seen, index: number, all: Seen[]) => void): void {
  fc.assert(
    fc.property(histories, (history) => play(history).forEach(check)),
    { numRuns: 1_000 },
  )
}

const ofKind = (notices: readonly Notice[], kind: NoticeKind) => notices.filter((notice) => notice.kind === kind)

describe('for any history of a launch', () => {
  it('an earlier time is never "postponed", and a later one never "moved forward"', () => {
    always(({ news }) => {
      for (const slip of ofKind(news, 'slip')) {
        const { net, precision, was } = slip.facts
        const old = periodStart(new Date(was?.net ?? ''), was?.precision ?? 0).getTime()
        const present = periodStart(new Date(net), precision).getTime()
        if (present < old) expect(line(slip)).not.toMatch(/postponed/i)
        if (present > old) expect(line(slip)).not.toMatch(/forward/i)
      }
    })
  })

  it('no reminder is sent from T-0 on, for a placeholder, or for an unannounced T-0', () => {
    always(({ news, present, when, after }) => {
      for (const { expiresAt } of ofKind(news, 'reminder')) {
        expect(when.now.getTime()).toBeLessThan(present.net.getTime())
        expect(expiresAt.getTime()).toBeLessThanOrEqual(present.net.getTime())
        expect(expiresAt.getTime()).toBeGreaterThanOrEqual(when.now.getTime())
        expect([0, 1, 2]).toContain(present.net_precision)
        expect(Math.abs(after.net.getTime() - present.net.getTime())).toBeLessThan(2 * HOUR)
      }
    })
  })

  it('a reminder is sent once for an announced T-0, and is the most urgent one', () => {
    fc.assert(
      fc.property(histories, (history) => {
        let sent: string[] = []
        for (const { news, when, present } of play(history)) {
          if (ofKind(news, 'slip').length > 0) sent = []
          for (const { facts, subject } of ofKind(news, 'reminder')) {
            const text = subject.replace(/#.*/, '')
            expect(sent).not.toContain(text)
            sent.push(text)
            const away = present.net.getTime() - when.now.getTime()
            const missed = ALL.reminders.filter((offset) => offset >= away && offset < (facts.offsetMs ?? 0))
            expect(missed.filter((offset) => offset - away <= 15 * MINUTE && late(present, when, offset))).toEqual([])
          }
          expect(ofKind(news, 'reminder').length).toBeLessThanOrEqual(1)
        }
      }),
      { numRuns: 1_000 },
    )
    function late(present: KnownLaunch, { asOf }: Times, offset: number): boolean {
      return asOf.getTime() - (present.net.getTime() - offset) <= 5 * MINUTE
    }
  })

  it('a counted subject occurs once, and no subject contains NET', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const subjects = play(history).flatMap(({ all }) => all.map(({ subject }) => subject))
        const counted = subjects.filter((subject) => /^(slip|hold|go):/.test(subject))
        expect(counted).toEqual([...new Set(counted)])
        for (const subject of subjects)
          expect(subject).toMatch(/^(slip:\d+|hold:\d+|go:\d+|status:[3467]|live#\d+|T-(24h|1h|10m)#\d+)$/)
      }),
    )
  })

  it('without a change there are only reminders', () => {
    always(({ before, present, news }) => {
      const same =
        before !== undefined &&
        before.net.getTime() === present.net.getTime() &&
        before.precision === (present.net_precision ?? 7) &&
        before.status === present.status_id &&
        before.webcastLive === present.webcast_live
      if (same || before === undefined) expect(news.filter(({ kind }) => kind !== 'reminder')).toEqual([])
    })
  })

  it('what counts as announced is the last announcement, and an announcement shows the current state', () => {
    always(({ before, present, news, after }) => {
      expect(after.status).toBe(present.status_id)
      expect(after.webcastLive).toBe(present.webcast_live)
      const announced = before === undefined || ofKind(news, 'slip').length > 0
      const { net, precision } = announced ? { net: present.net, precision: present.net_precision ?? 7 } : before
      expect([after.net, after.precision]).toEqual([net, precision])
      expect(after.slips - (before?.slips ?? 0)).toBe(ofKind(news, 'slip').length)
    })
  })

  it('what counts as announced does not depend on which kinds are switched on', () => {
    const kinds = fc.subarray(KIND_NAMES).map((some) => ({ ...ALL, notices: new Set(some) }))
    fc.assert(
      fc.property(histories, kinds, (history, rules) => {
        expect(play(history, rules).map(({ after }) => after)).toEqual(play(history).map(({ after }) => after))
        for (const { all } of play(history, rules)) for (const { kind } of all) expect(rules.notices).toContain(kind)
      }),
    )
  })

  it('a NET that moves back before it settles posts nothing', () => {
    const away = fc.integer({ min: 3 * 60, max: 90 * 24 * 60 }).map((minutes) => minutes * MINUTE)
    const there = fc.array(fc.tuple(away, fc.constantFrom(0, 1, 2, 5, 7), fc.integer({ min: 1, max: 3 })), {
      minLength: 1,
      maxLength: 3,
    })
    fc.assert(
      fc.property(there, (visits) => {
        const out = visits.map(([by, net_precision, minutes]) => ({
          wait: minutes * MINUTE,
          change: { net: ahead(by), net_precision },
          late: 0,
        }))
        const back = { wait: MINUTE, change: { net: launch().net, net_precision: 1 }, late: 0 }
        const start = { wait: 0, late: 0 }
        const seen = play([start, ...out, back, { wait: 30 * MINUTE, late: 0 }])
        expect(seen.flatMap(({ news }) => news)).toEqual([])
        expect(seen.at(-1)?.after).toEqual(seen[0]?.after)
      }),
    )
  })

  it('facts survive jsonb', () => {
    always(({ news }) => {
      for (const { facts } of news) expect(JSON.parse(JSON.stringify(facts))).toEqual(facts)
    })
  })
})
