import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { storyOf } from '../../../pipelines/launches/launch-story.ts'
import { RECORDED, recorded, WITHOUT_RECORDED } from '../../support/recorded.ts'

if (!RECORDED) console.warn(WITHOUT_RECORDED)

/** A launch in the detailed mode of 2.2.0; the second one has the same facts in the form of 2.3.0 and 2.4.0. */
const OLD = {
  launch_service_provider: { name: 'SpaceX', successful_launches: 706, failed_launches: 15, successful_landings: 664 },
  rocket: {
    configuration: { length: 70, leo_capacity: 22_800, maiden_flight: '2018-05-11', ...record(9, 0, 9) },
    launcher_stage: [
      {
        launcher_flight_number: 9,
        launcher: { serial_number: 'B1100' },
        landing: { attempt: true, success: true, downrange_distance: 574, location: ocisly() },
        turn_around_time_days: 27,
        previous_flight: { id: 'before', name: 'Falcon 9 | Before' },
      },
    ],
    spacecraft_stage: {
      destination: 'ISS',
      spacecraft: { name: 'Grace' },
      launch_crew: [{ role: { role: 'Pilot' }, astronaut: { name: 'Luke Delaney', agency: { name: 'NASA' } } }],
    },
  },
  pad: { location: { timezone_name: 'America/Los_Angeles' } },
  vidURLs: [
    video('https://x.com/1', 10, 'Official Webcast'),
    video('https://www.youtube.com/watch?v=7r0RfmKbr_Q&t=3', 7, 'Unofficial Webcast'),
    video('https://x.com/1', 12, 'Official Webcast'),
  ],
  infoURLs: [{ url: 'https://spacex.com/l', title: 'SpaceX', priority: 1 }],
}
const NEW = {
  ...OLD,
  rocket: {
    ...OLD.rocket,
    launcher_stage: [
      {
        ...OLD.rocket.launcher_stage[0],
        turn_around_time_days: undefined,
        turn_around_time: 'P27D',
        landing: { ...OLD.rocket.launcher_stage[0]?.landing, location: undefined, landing_location: ocisly() },
      },
    ],
    spacecraft_stage: [OLD.rocket.spacecraft_stage],
  },
  vidURLs: undefined,
  vid_urls: OLD.vidURLs,
  infoURLs: undefined,
  info_urls: OLD.infoURLs,
}

function record(successful_launches: number, failed_launches: number, consecutive_successful_launches: number) {
  return { successful_launches, failed_launches, consecutive_successful_launches }
}
function ocisly() {
  return { name: 'Of Course I Still Love You', abbrev: 'OCISLY' }
}
function video(url: string, priority: number, name: string) {
  return { url, priority, title: 'Live', type: { name }, language: { name: 'English' }, publisher: 'X' }
}

describe('the details of a launch', () => {
  test.each([
    ['2.2.0', OLD],
    ['2.3.0 and 2.4.0', NEW],
  ])('%s: records, booster, landing, crew and webcasts', (_, details) => {
    const story = storyOf(details)
    expect(story.rocket.record).toEqual({ successes: 9, flights: 9, inARow: 9 })
    expect(story.provider).toEqual({
      name: 'SpaceX',
      record: { successes: 706, flights: 721, inARow: null },
      landings: null,
    })
    expect(story.boosters).toEqual([
      {
        serial: 'B1100',
        flight: 9,
        turnaroundMs: 27 * 86_400_000,
        previous: { id: 'before', name: 'Falcon 9 | Before' },
        landing: {
          outcome: 'success',
          name: 'Of Course I Still Love You',
          abbrev: 'OCISLY',
          way: null,
          downrangeKm: 574,
        },
      },
    ])
    expect(story.crew).toEqual([{ name: 'Luke Delaney', role: 'Pilot', agency: 'NASA' }])
    expect(story.spacecraft).toEqual([{ name: 'Grace', destination: 'ISS' }])
    expect(story.webcasts.map(({ url, kind, language, youtube }) => [url, kind, language, youtube])).toEqual([
      ['https://www.youtube.com/watch?v=7r0RfmKbr_Q&t=3', 'Unofficial Webcast', 'English', '7r0RfmKbr_Q'],
      ['https://x.com/1', 'Official Webcast', 'English', null],
    ])
    expect(story.pages).toEqual([{ url: 'https://spacex.com/l', title: 'SpaceX' }])
    expect(story.timeZone).toBe('America/Los_Angeles')
  })

  test('the countdown is in its order, whatever the order of the answer', () => {
    const at = (relative_time: unknown, abbrev: string) => ({ relative_time, type: { abbrev, description: 'x' } })
    const timeline = [at('PT1H1M49S', 'Deployment'), at('P0D', 'Liftoff'), at('-PT38M', 'GO'), at('soon', 'never')]
    expect(storyOf({ timeline }).timeline.map(({ atMs, name }) => [atMs, name])).toEqual([
      [-2_280_000, 'GO'],
      [0, 'Liftoff'],
      [3_709_000, 'Deployment'],
    ])
  })

  test('news is latest first, and only http(s) addresses are kept', () => {
    const update = (created_on: string, info_url: string) => ({ created_on, comment: created_on, info_url })
    const updates = [
      update('2026-01-01T00:00:00Z', 'javascript:alert(1)'),
      update('2026-01-02T00:00:00Z', 'https://a.b/c'),
    ]
    expect(storyOf({ updates }).updates.map(({ text, url }) => [text, url])).toEqual([
      ['2026-01-02T00:00:00Z', 'https://a.b/c'],
      ['2026-01-01T00:00:00Z', null],
    ])
  })

  test.each([
    ['https://youtu.be/7r0RfmKbr_Q?t=1', '7r0RfmKbr_Q'],
    ['https://m.youtube.com/live/7r0RfmKbr_Q', '7r0RfmKbr_Q'],
    ['https://youtube.com/embed/7r0RfmKbr_Q', '7r0RfmKbr_Q'],
    ['https://www.youtube.com/@spacex', null],
    ['https://www.youtube.com/watch?v=short', null],
    ['https://youtube.com.evil.test/watch?v=7r0RfmKbr_Q', null],
  ])('the YouTube video of %s is %s', (url, id) => {
    expect(storyOf({ vid_urls: [{ url }] }).webcasts[0]?.youtube).toBe(id)
  })

  test('an unknown booster, an unknown landing and a placeholder are not shown', () => {
    const stage = (launcher: unknown, landing: unknown = null) => ({ launcher, landing })
    const launcher_stage = [
      stage({ serial_number: 'Unknown F9' }),
      stage({ serial_number: 'B9', is_placeholder: true }),
      stage({ serial_number: 'B1' }, { attempt: false }),
      stage({ serial_number: 'B2' }, { attempt: true, success: null, landing_location: { name: 'Unknown' } }),
    ]
    const { boosters } = storyOf({ rocket: { launcher_stage } })
    expect(boosters.map(({ serial, landing }) => [serial, landing?.outcome, landing?.name])).toEqual([
      ['B1', 'none', null],
      ['B2', 'planned', null],
    ])
  })

  test('a record without a flight is unknown, and a time zone must exist', () => {
    const story = storyOf({
      rocket: { configuration: record(0, 0, 0) },
      pad: { location: { timezone_name: 'Moon/Tycho' } },
    })
    expect([story.rocket.record, story.timeZone]).toEqual([null, null])
  })

  test('no form of the details throws', () => {
    const known = [...keysOf(OLD), ...keysOf(NEW)]
    const keyed = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.jsonValue(),
        fc.constantFrom('https://a.b', 'PT1M', 'P', '2026-01-01T00:00:00Z', -1, 1e300),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...known), tie('value'), { maxKeys: 8 }),
      ),
    })).value
    fc.assert(
      fc.property(keyed, (details) => void JSON.stringify(storyOf(details))),
      { numRuns: 500 },
    )
    fc.assert(
      fc.property(fc.anything(), (details) => void storyOf(details)),
      { numRuns: 200 },
    )
  })

  test.skipIf(!RECORDED)(
    'every recorded launch is read; detailed mode has boosters, news, webcasts and countdowns',
    () => {
      const stories = recorded().flatMap(({ launches }) => launches.map(storyOf))
      const count = (has: (story: (typeof stories)[number]) => boolean) => stories.filter(has).length
      expect(count(({ boosters }) => boosters.length > 0)).toBeGreaterThan(80)
      expect(count(({ updates }) => updates.length > 0)).toBeGreaterThan(300)
      expect(count(({ timeline }) => timeline.length > 10)).toBeGreaterThan(30)
      expect(count(({ webcasts }) => webcasts.length > 0)).toBeGreaterThan(30)
      expect(count(({ timeZone }) => timeZone !== null)).toBeGreaterThan(600)
    },
  )
})

function keysOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  const own = Array.isArray(value) ? [] : Object.keys(value)
  return [...own, ...Object.values(value).flatMap(keysOf)]
}
