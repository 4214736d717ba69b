import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseLaunch } from '../../../../pipelines/launches/parse-launch.ts'
import { EN, type Words } from '../../../../pipelines/launches/words/en.ts'
import { KO } from '../../../../pipelines/launches/words/ko.ts'
import {
  type CardContext,
  type CardLaunch,
  factsHash,
  factsOf,
} from '../../../../pipelines/rocket-launches/discord/card-facts.ts'
import { launchCard } from '../../../../pipelines/rocket-launches/discord/card-message.ts'
import { isEmpty, issuesOf } from '../../../../pipelines/rocket-launches/stand-ins/discord-rules.ts'
import { RECORDED, recorded, WITHOUT_RECORDED } from '../../../support/recorded.ts'

const NOW = new Date('2026-11-21T05:00:00Z')
const CONTEXT = { now: NOW, dataAsOf: new Date('2026-11-21T04:40:00Z') }

const STARLINK: CardLaunch = {
  launch_id: 'e2b8dd4c',
  name: 'Falcon 9 Block 5 | Starlink Group 6-99',
  slug: 'falcon-9-block-5-starlink-group-6-99',
  net: new Date('2026-12-12T14:05:00Z'),
  net_precision: 1,
  status_id: 1,
  status_name: 'Go for Launch',
  provider: 'SpaceX',
  rocket: 'Falcon 9 Block 5',
  pad: 'Space Launch Complex 40',
  location: 'Cape Canaveral SFS, FL, USA',
  orbit: 'Low Earth Orbit',
  probability: null,
  mission_description:
    'A batch of 23 satellites for the U.S. Space Force.\r\n\r\nThey talk  to the ground. There are many.',
  image_url: 'https://images.example/falcon.png',
  webcast_url: 'https://www.youtube.com/watch?v=abc',
  info_url: null,
}

const DETAILS = {
  program: [{ name: 'Starlink' }],
  mission_patches: [{ image_url: 'https://images.example/patch.png', priority: 10 }],
  launch_service_provider: { logo_url: 'https://images.example/logo.png' },
  pad: { country_code: 'USA' },
  rocket: {
    launcher_stage: [
      {
        launcher: { serial_number: 'B1080' },
        launcher_flight_number: 24,
        landing: { attempt: true, location: { name: 'Landing Zone 40' }, type: { abbrev: 'RTLS' } },
      },
    ],
  },
}

describe('launchCard', () => {
  it('shows name, status, time, provider, rocket, orbit, pad and links', () => {
    expect(launchCard(STARLINK, CONTEXT, EN)).toEqual({
      embeds: [
        {
          author: { name: 'SpaceX' },
          title: 'Falcon 9 Block 5 | Starlink Group 6-99',
          url: 'https://spacelaunchnow.me/launch/falcon-9-block-5-starlink-group-6-99',
          description:
            '**🟢 Go for launch**\n<t:1797084300:F> · <t:1797084300:R>\n\n' +
            'A batch of 23 satellites for the U.S. Space Force. They talk to the ground.',
          color: 0x2ecc71,
          fields: [
            { name: 'Rocket', value: 'Falcon 9 Block 5', inline: true },
            { name: 'Orbit', value: 'Low Earth Orbit', inline: true },
            { name: 'Pad', value: 'Space Launch Complex 40, Cape Canaveral SFS, FL, USA', inline: false },
          ],
          image: { url: 'https://images.example/falcon.png' },
          footer: { text: 'Launch Library 2 · as of 21 November 2026, 04:40 UTC' },
        },
      ],
      components: [
        {
          type: 1,
          components: [
            { type: 2, style: 5, label: 'Watch', url: 'https://www.youtube.com/watch?v=abc' },
            {
              type: 2,
              style: 5,
              label: 'Details',
              url: 'https://spacelaunchnow.me/launch/falcon-9-block-5-starlink-group-6-99',
            },
          ],
        },
      ],
    })
  })

  it('shows weather, booster, landing, programme, patch, logo, flag and the page where they are known', () => {
    const page = 'https://tminus.example/rocket-launches/launches/e2b8dd4c'
    const launch = { ...STARLINK, probability: 85, details: DETAILS }
    const { embeds, components } = launchCard(launch, { ...CONTEXT, page }, EN)
    expect(embeds?.[0]).toMatchObject({
      author: { name: 'SpaceX', icon_url: 'https://images.example/logo.png' },
      thumbnail: { url: 'https://images.example/patch.png' },
      fields: [
        { name: 'Rocket', value: 'Falcon 9 Block 5', inline: true },
        { name: 'Orbit', value: 'Low Earth Orbit', inline: true },
        { name: 'Weather', value: '85 % favourable', inline: true },
        { name: 'Programme', value: 'Starlink', inline: true },
        { name: 'Booster', value: 'B1080 · flight 24 · landing attempt: Landing Zone 40 (RTLS)', inline: false },
        { name: 'Pad', value: '🇺🇸 Space Launch Complex 40, Cape Canaveral SFS, FL, USA', inline: false },
      ],
    })
    expect(components?.[0]?.components.at(-1)).toEqual({ type: 2, style: 5, label: 'Launch page', url: page })
  })

  it('has the texts of its language; names stay', () => {
    const { embeds, components } = launchCard({ ...STARLINK, probability: 85, details: DETAILS }, CONTEXT, KO)
    expect(embeds?.[0]).toMatchObject({
      title: 'Falcon 9 Block 5 | Starlink Group 6-99',
      description: expect.stringMatching(/^\*\*🟢 발사 확정\*\*\n<t:1797084300:F> · <t:1797084300:R>\n/),
      fields: [
        { name: '로켓', value: 'Falcon 9 Block 5' },
        { name: '궤도', value: 'Low Earth Orbit' },
        { name: '날씨', value: '발사 가능 85%' },
        { name: '프로그램', value: 'Starlink' },
        { name: '부스터', value: 'B1080 · 24번째 비행 · 착륙 시도: Landing Zone 40 (RTLS)' },
        { name: '발사대', value: '🇺🇸 Space Launch Complex 40, Cape Canaveral SFS, FL, USA' },
      ],
      footer: { text: 'Launch Library 2 · 2026년 11월 21일 04:40 UTC 기준' },
    })
    expect(components?.[0]?.components.map(({ label }) => label)).toEqual(['중계 보기', '자세히'])
  })

  it.each([
    [{ attempt: true, success: true }, 'landed: Landing Zone 40 (RTLS)'],
    [{ attempt: true, success: false }, 'landing failed: Landing Zone 40 (RTLS)'],
    [{ attempt: false }, 'no landing attempt'],
    [{ attempt: true, location: null, type: null }, 'landing attempt'],
  ])('shows the landing %j as "%s"', (landing, text) => {
    const [stage] = DETAILS.rocket.launcher_stage
    const rocket = { launcher_stage: [{ ...stage, landing: { ...stage?.landing, ...landing } }] }
    const [embed] = launchCard({ ...STARLINK, details: { rocket } }, CONTEXT, EN).embeds ?? []
    expect(embed?.fields?.find(({ name }) => name === 'Booster')?.value).toBe(`B1080 · flight 24 · ${text}`)
  })

  it('names a booster without a serial number only beside others', () => {
    const spent = { launcher: { serial_number: null }, landing: { attempt: false } }
    const boosters = (words: Words, ...launcher_stage: object[]) =>
      launchCard({ ...STARLINK, details: { rocket: { launcher_stage } } }, CONTEXT, words)
        .embeds?.[0]?.fields?.filter(({ name }) => name === words.fields.booster)
        .map(({ value }) => value.split('\n').at(-1))
    expect(boosters(EN, spent)).toEqual(['no landing attempt'])
    expect(boosters(EN, spent, ...DETAILS.rocket.launcher_stage)).toEqual(['one booster · no landing attempt'])
    expect(boosters(KO, spent, spent)).toEqual(['부스터 2기 · 착륙 시도 없음'])
  })

  it('shows several boosters, each once', () => {
    const side = { launcher: { serial_number: 'Unknown FH' }, landing: { attempt: true, type: { abbrev: 'RTLS' } } }
    const rocket = { launcher_stage: [side, side, ...DETAILS.rocket.launcher_stage] }
    const [embed] = launchCard({ ...STARLINK, details: { rocket } }, CONTEXT, EN).embeds ?? []
    expect(embed?.fields?.find(({ name }) => name === 'Booster')?.value).toBe(
      'B1080 · flight 24 · landing attempt: Landing Zone 40 (RTLS)\n2 boosters · landing attempt: RTLS',
    )
  })

  it('does not show a forecast of the weather after liftoff', () => {
    expect(factsOf({ ...STARLINK, probability: 85, status_id: 6 }).weather).toBe(null)
  })

  it('omits unknown facts', () => {
    const bare = { provider: null, rocket: null, pad: null, location: null, orbit: null, slug: null }
    const message = launchCard(
      { ...STARLINK, ...bare, mission_description: null, image_url: null, webcast_url: null },
      CONTEXT,
      EN,
    )
    expect(Object.keys(message)).toEqual(['embeds'])
    expect(Object.keys(message.embeds?.[0] ?? {}).sort()).toEqual(['color', 'description', 'footer', 'title'])
  })

  it.each([
    [0, '2026-12-12T14:05:09Z', '<t:1797084309:F> · <t:1797084309:R>'],
    [1, '2026-12-12T14:05:00Z', '<t:1797084300:F> · <t:1797084300:R>'],
    [2, '2026-12-12T00:00:00Z', '<t:1797033600:F> · <t:1797033600:R>'],
    [3, '2026-12-12T00:00:00Z', '12 December 2026, morning (time to be announced)'],
    [4, '2026-12-12T00:00:00Z', '12 December 2026, afternoon (time to be announced)'],
    [5, '2026-12-12T00:00:00Z', '12 December 2026 (time to be announced)'],
    [6, '2026-12-13T00:00:00Z', 'NET week of 7 December 2026'],
    [7, '2026-12-31T00:00:00Z', 'NET December 2026'],
    [8, '2027-03-31T00:00:00Z', 'Q1 2027'],
    [10, '2026-06-30T00:00:00Z', 'Q3 2026'],
    [11, '2026-12-31T00:00:00Z', 'Q4 2026'],
    [12, '2027-03-31T00:00:00Z', 'first half of 2027'],
    [13, '2027-12-31T00:00:00Z', 'second half of 2027'],
    [14, '2027-12-31T00:00:00Z', 'NET 2027'],
    [15, '2027-09-30T00:00:00Z', 'fiscal year 2027'],
    [16, '2029-12-31T00:00:00Z', 'in the 2020s'],
    [99, '2029-12-31T00:00:00Z', 'NET 2029'],
    [null, '2026-12-31T00:00:00Z', 'NET December 2026'],
  ])('with precision %s, %s reads "%s"', (net_precision, net, expected) => {
    const message = launchCard({ ...STARLINK, net_precision, net: new Date(net) }, CONTEXT, EN)
    expect(message.embeds?.[0]?.description?.split('\n')[1]).toBe(expected)
  })

  it('shows an unknown status by its name, in grey', () => {
    const [embed] = launchCard({ ...STARLINK, status_id: 42, status_name: 'On *Vacation*' }, CONTEXT, EN).embeds ?? []
    expect(embed?.description).toMatch(/^\*\*On \\\*Vacation\\\*\*\*\n/)
    expect(embed?.color).toBe(0x95a5a6)
  })

  it('distinguishes a partial failure from a failure', () => {
    const colors = [4, 7].map(
      (id) =>
        launchCard({ ...STARLINK, status_id: id, status_name: 'Launch was a Partial Failure' }, CONTEXT, EN)
          .embeds?.[0],
    )
    expect(colors[0]?.color).not.toBe(colors[1]?.color)
    expect(colors[1]?.description).toContain('Partial failure')
  })

  it.each(['', 'ftp://images.example/x.png', 'data:image/png;base64,AAAA', 'x.png'])(
    'shows no image for %j',
    (image_url) => {
      expect(launchCard({ ...STARLINK, image_url }, CONTEXT, EN).embeds?.[0]).not.toHaveProperty('image')
    },
  )

  describe('with data over two hours old', () => {
    const old = { now: NOW, dataAsOf: new Date('2026-11-21T02:59:00Z') }
    const footer = (context: CardContext) => launchCard(STARLINK, context, EN).embeds?.[0]?.footer?.text
    const hash = (context: CardContext) => factsHash(factsOf(STARLINK, context))

    it('says so on the card of the nearest launch, with a single edit', () => {
      expect(footer({ ...old, nearest: true })).toBe(
        'Launch Library 2 · has not answered since 21 November 2026, 02:59 UTC',
      )
      expect(hash({ ...old, nearest: true })).not.toBe(hash({ ...CONTEXT, nearest: true }))
      const later = { ...old, nearest: true, now: new Date('2026-11-22T05:00:00Z') }
      expect(hash(later)).toBe(hash({ ...old, nearest: true }))
    })

    it('does not change the other cards', () => {
      expect(footer(old)).toBe('Launch Library 2 · as of 21 November 2026, 02:59 UTC')
      expect(hash(old)).toBe(hash(CONTEXT))
    })

    it('counts data as old after two hours, not earlier', () => {
      const at = (dataAsOf: string) => factsOf(STARLINK, { now: NOW, dataAsOf: new Date(dataAsOf), nearest: true })
      expect(at('2026-11-21T03:00:00Z')).not.toHaveProperty('stale')
      expect(at('2026-11-21T02:59:59Z')).toHaveProperty('stale', true)
    })
  })

  it('says that a launch is no longer listed, unless it flew', () => {
    const vanished_at = new Date('2026-11-20T00:00:00Z')
    const lines = (launch: CardLaunch) => launchCard(launch, CONTEXT, EN).embeds?.[0]?.description?.split('\n')
    expect(lines({ ...STARLINK, vanished_at })?.[2]).toBe('No longer listed by Launch Library')
    expect(factsHash(factsOf({ ...STARLINK, vanished_at }))).not.toBe(factsHash(factsOf(STARLINK)))
    const flown = { ...STARLINK, status_id: 3, status_name: '' }
    expect(factsOf({ ...flown, vanished_at })).toEqual(factsOf(flown))
    expect(factsOf({ ...STARLINK, vanished_at: null })).toEqual(factsOf(STARLINK))
  })

  it('escapes mentions and links', () => {
    const [embed] =
      launchCard({ ...STARLINK, name: '@everyone [x](https://evil.example) <@1>' }, CONTEXT, EN).embeds ?? []
    expect(embed?.title).toBe('@\u200Beveryone [x\\](https://evil.example) \\<@1>')
  })

  it('is valid for Discord with any launch', () => {
    fc.assert(
      fc.property(launches, fc.date(sane), fc.date(sane), fc.constantFrom(EN, KO), (launch, now, dataAsOf, words) => {
        const message = launchCard(launch, { now, dataAsOf }, words)
        expect(issuesOf({ ...message })).toEqual([])
        expect(isEmpty({ ...message })).toBe(false)
      }),
    )
  })

  it.skipIf(!RECORDED)(`is valid for every recorded launch${RECORDED ? '' : ` (${WITHOUT_RECORDED})`}`, () => {
    for (const { version, launches } of recorded())
      for (const received of launches) {
        const parsed = parseLaunch(version, received)
        if (!('launch' in parsed)) continue
        const launch = { ...parsed.launch, details: received }
        const message = launchCard(launch, { ...CONTEXT, page: 'https://tminus.example/x' }, EN)
        expect(issuesOf({ ...message })).toEqual([])
        expect(message.embeds?.[0]?.fields?.map(({ value }) => value).join()).not.toContain('…')
      }
  })

  it('never shows a placeholder as a time', () => {
    const coarse = fc.tuple(launches, fc.constantFrom(null, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17))
    fc.assert(
      fc.property(coarse, ([launch, net_precision]) => {
        const net = new Date(Math.floor(launch.net.getTime() / 86_400_000) * 86_400_000)
        const silent = { ...launch, net_precision, net, status_id: STARLINK.status_id, mission_description: null }
        const [embed] = launchCard(silent, CONTEXT, EN).embeds ?? []
        expect(embed?.description).not.toMatch(/(?<!\\)<t:|00:00|\d\d:\d\d/)
      }),
    )
  })
})

describe('factsHash', () => {
  const hash = (changes: Partial<CardLaunch>) => factsHash(factsOf({ ...STARLINK, ...changes }))

  it.each<[string, Partial<CardLaunch>]>([
    ['name', { name: 'Falcon 9 Block 5 | Starlink Group 6-100' }],
    ['net', { net: new Date('2026-12-12T14:06:00Z') }],
    ['precision', { net_precision: 5 }],
    ['status', { status_id: 8 }],
    ['provider', { provider: 'ULA' }],
    ['rocket', { rocket: 'Falcon Heavy' }],
    ['pad', { pad: 'Launch Complex 39A' }],
    ['location', { location: 'Kennedy Space Center' }],
    ['orbit', { orbit: null }],
    ['mission', { mission_description: 'Another.' }],
    ['image', { image_url: null }],
    ['webcast', { webcast_url: null }],
    ['weather', { probability: 85 }],
    ['details', { details: DETAILS }],
  ])('changes with the %s', (_name, change) => expect(hash(change)).not.toBe(hash({})))

  it.each<[string, Partial<CardLaunch>]>([
    ['the name of a known status', { status_name: 'Go' }],
    ['white space', { provider: ' SpaceX ', pad: 'Space Launch\r\nComplex 40' }],
    ['a third sentence', { mission_description: `${STARLINK.mission_description} And more.` }],
    ['the slug', { slug: 'another' }],
  ])('does not change with %s', (_name, change) => expect(hash(change)).toBe(hash({})))

  it('does not change while a placeholder moves within its period', () => {
    const month = (net: string) => hash({ net: new Date(net), net_precision: 7 })
    expect(month('2026-12-30T00:00:00Z')).toBe(month('2026-12-31T00:00:00Z'))
    expect(month('2026-11-30T00:00:00Z')).not.toBe(month('2026-12-31T00:00:00Z'))
  })

  it('does not depend on the order of keys, which jsonb changes', () => {
    const facts = factsOf(STARLINK)
    const back = Object.fromEntries(Object.entries(facts).reverse()) as unknown as typeof facts
    expect(factsHash(back)).toBe(factsHash(facts))
  })
})

const sane = { min: new Date('1900-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }
const anyText = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.tuple(fc.string(), fc.integer({ min: 1, max: 900 })).map(([text, times]) => text.repeat(times).slice(0, 7_000)),
)
const orNull = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: null })
const address = orNull(fc.oneof(anyText, fc.webUrl({ withFragments: true, withQueryParameters: true })))
const odd = fc.oneof(anyText, fc.anything())
const detailsOfLaunch = fc.record(
  {
    program: fc.array(fc.record({ name: odd }), { maxLength: 5 }),
    mission_patches: fc.array(fc.record({ image_url: address, priority: odd }), { maxLength: 3 }),
    launch_service_provider: fc.record({ logo_url: address }),
    pad: fc.record({ country_code: fc.oneof(odd, fc.constantFrom('USA', 'GUF')) }),
    rocket: fc.record({
      launcher_stage: fc.array(
        fc.record({
          launcher: fc.record({ serial_number: odd }),
          launcher_flight_number: fc.oneof(fc.integer(), odd),
          landing: fc.record({ attempt: fc.oneof(fc.boolean(), odd), location: fc.record({ name: odd }) }),
        }),
        { maxLength: 12 },
      ),
    }),
  },
  { requiredKeys: [] },
)
const launches: fc.Arbitrary<CardLaunch> = fc.record({
  launch_id: fc.uuid(),
  name: anyText,
  slug: orNull(anyText),
  net: fc.date(sane),
  net_precision: orNull(fc.integer({ min: 0, max: 18 })),
  status_id: fc.integer({ min: 0, max: 12 }),
  status_name: anyText,
  provider: orNull(anyText),
  rocket: orNull(anyText),
  pad: orNull(anyText),
  location: orNull(anyText),
  orbit: orNull(anyText),
  probability: orNull(fc.integer()),
  mission_description: orNull(anyText),
  image_url: address,
  webcast_url: address,
  info_url: address,
  details: fc.oneof(fc.anything(), detailsOfLaunch),
})
