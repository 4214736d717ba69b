import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { detailsOf, withDetails } from '../../../pipelines/launches/launch-details.ts'
import { createLaunchDatabase, useDatabase } from '../../support/database.ts'
import { aLaunch } from '../../support/factories.ts'
import { fromSchema, SCHEMA, WITHOUT_SCHEMA } from '../../support/from-schema.ts'
import { SEED } from '../../support/random.ts'
import { RECORDED, recorded, WITHOUT_RECORDED } from '../../support/recorded.ts'

const database = useDatabase(createLaunchDatabase)

const landing = { attempt: true, success: null, type: { abbrev: 'ASDS' } }
const droneShip = { name: 'A Shortfall of Gravitas', abbrev: 'ASOG' }
const core = { type: 'Core', launcher: { serial_number: 'B1080' }, launcher_flight_number: 24 }
const common = {
  program: [{ name: 'Starlink' }, { name: 'Artemis' }, { name: 'Starlink' }],
  mission_patches: [
    { image_url: 'https://images.example/second.png', priority: 10 },
    { image_url: 'https://images.example/first.png', priority: 1 },
  ],
}
const FORMS = {
  '2.0.0': {
    ...common,
    rocket: { launcher_stage: [{ ...core, landing: { ...landing, location: droneShip } }] },
    launch_service_provider: { logo_url: 'https://images.example/logo.png' },
    pad: { location: { country_code: 'USA' } },
  },
  '2.2.0': {
    ...common,
    rocket: { launcher_stage: [{ ...core, landing: { ...landing, location: droneShip } }] },
    launch_service_provider: { logo_url: 'https://images.example/logo.png' },
    pad: { country_code: 'USA', location: { country_code: '???' } },
  },
  '2.3.0 and 2.4.0': {
    ...common,
    rocket: { launcher_stage: [{ ...core, landing: { ...landing, landing_location: droneShip } }] },
    launch_service_provider: { logo: { image_url: 'https://images.example/logo.png' } },
    pad: { country: { alpha_2_code: 'US', alpha_3_code: 'USA' } },
  },
}
const EXPECTED = {
  boosters: [{ serial: 'B1080', flight: 24, landing: { outcome: 'planned', place: 'A Shortfall of Gravitas (ASDS)' } }],
  programme: 'Artemis, Starlink',
  patch: 'https://images.example/first.png',
  logo: 'https://images.example/logo.png',
  country: 'US',
}
const UNKNOWN = { boosters: [], programme: null, patch: null, logo: null, country: null }

describe('the details of a launch', () => {
  test.each(Object.entries(FORMS))('are read from an answer of %s', (_version, received) => {
    expect(detailsOf(received)).toEqual(EXPECTED)
  })

  test.each<[string, object, unknown]>([
    ['a landing', { landing: { ...landing, success: true } }, { serial: 'B1080', landing: { outcome: 'success' } }],
    ['a crash', { landing: { ...landing, success: false } }, { serial: 'B1080', landing: { outcome: 'failure' } }],
    ['no attempt', { landing: { attempt: false } }, { serial: 'B1080', landing: { outcome: 'none', place: null } }],
    ['an undecided landing', { landing: { attempt: null } }, { serial: 'B1080', landing: null }],
    [
      'an unknown place',
      { landing: { ...landing, location: { name: 'Unknown' } } },
      { landing: { outcome: 'planned', place: 'ASDS' } },
    ],
    [
      'a placeholder for a booster that lands',
      { launcher: { serial_number: 'Unknown F9' }, landing },
      { serial: null, flight: null, landing: { outcome: 'planned' } },
    ],
    ['a placeholder', { launcher: { serial_number: 'Unknown F9' } }, undefined],
    ['a marked placeholder', { launcher: { serial_number: 'F9-X', is_placeholder: true } }, undefined],
  ])('show of a booster with %s only what is known', (_what, changes, booster) => {
    const { boosters } = detailsOf({ rocket: { launcher_stage: [{ ...core, ...changes }] } })
    if (booster === undefined) expect(boosters).toEqual([])
    else expect(boosters).toMatchObject([booster])
  })

  test.each([
    ['rocket', 'none', { boosters: [] }],
    ['rocket', { launcher_stage: [7, null, FORMS['2.2.0'].rocket.launcher_stage[0]] }, {}],
    ['program', { name: 'Starlink' }, { programme: null }],
    ['program', [null, { name: 7 }, { name: ' Artemis\r\n ' }], { programme: 'Artemis' }],
    ['mission_patches', [{ image_url: 'ftp://images.example/a.png' }, 7], { patch: null }],
    ['launch_service_provider', null, { logo: null }],
    ['pad', { country_code: ['USA'] }, { country: null }],
    ['pad', { country_code: 'constructor' }, { country: null }],
  ])('lose nothing else to a bad %s: %j', (key, value, changes) => {
    expect(detailsOf({ ...FORMS['2.2.0'], [key]: value })).toEqual({ ...EXPECTED, ...changes })
  })

  test('are the same in any order of the answer, because the order changes for no reason', () => {
    const { rocket, program, mission_patches } = FORMS['2.2.0']
    const stages = [...rocket.launcher_stage, { ...core, launcher: { serial_number: 'B1099' } }]
    const backwards = {
      program: program.toReversed(),
      mission_patches: mission_patches.toReversed(),
      rocket: { launcher_stage: stages.toReversed() },
    }
    const forwards = { ...FORMS['2.2.0'], rocket: { launcher_stage: stages } }
    expect(detailsOf({ ...forwards, ...backwards })).toEqual(detailsOf(forwards))
  })

  test('are unknown in an answer of any other form', () => {
    for (const received of [undefined, null, 7, 'x', [], {}]) expect(detailsOf(received)).toEqual(UNKNOWN)
    fc.assert(fc.property(fc.anything(), (received) => Object.keys(detailsOf(received)).length === 5))
  })

  test.skipIf(!SCHEMA)(`are read from all that 2.4.0 allows${SCHEMA ? '' : ` (${WITHOUT_SCHEMA})`}`, () => {
    for (const received of fc.sample(fromSchema('LaunchDetailed'), { numRuns: 200, seed: SEED }))
      expect(Object.keys(detailsOf(received))).toEqual(Object.keys(UNKNOWN))
  })

  test.skipIf(!RECORDED)(`are found in recorded answers${RECORDED ? '' : ` (${WITHOUT_RECORDED})`}`, () => {
    const [answer] = recorded('detailed100').slice(-1)
    const all = (answer?.launches ?? []).map(detailsOf)
    const count = (has: (one: (typeof all)[number]) => boolean) => all.filter(has).length
    expect({
      serials: count(({ boosters }) => boosters.some(({ serial }) => serial !== null)),
      landings: count(({ boosters }) => boosters.some((booster) => booster.landing !== null)),
      programmes: count(({ programme }) => programme !== null),
      patches: count(({ patch }) => patch !== null),
      logos: count(({ logo }) => logo !== null),
      countries: count(({ country }) => country !== null),
    }).toMatchInlineSnapshot(`
      {
        "countries": 100,
        "landings": 24,
        "logos": 100,
        "patches": 13,
        "programmes": 19,
        "serials": 8,
      }
    `)
  })
})

test('details are loaded for the asked launches only, and without the parts that are not read', async () => {
  const { pool } = database
  const details = JSON.stringify({ ...FORMS['2.2.0'], updates: [{ comment: 'long' }] })
  const known = { name: 'Falcon 9', net: '2026-12-12T14:05:00Z' }
  await aLaunch(pool, { ...known, launch_id: 'a', details })
  await aLaunch(pool, { ...known, launch_id: 'old', details: null })
  await aLaunch(pool, { ...known, launch_id: 'other', details })
  const [a, old, gone, ...more] = await withDetails(pool, [
    { launch_id: 'a', name: 'A' },
    { launch_id: 'old', name: 'B' },
    { launch_id: 'gone', name: 'C' },
  ])
  expect(more).toEqual([])
  expect(a).toMatchObject({ launch_id: 'a', name: 'A' })
  expect(a?.details).not.toHaveProperty('updates')
  expect([a, old, gone].map((one) => detailsOf(one?.details))).toEqual([EXPECTED, UNKNOWN, UNKNOWN])
})
