import { describe, expect, it } from 'vitest'
import { type Filter, parseTerms, passes, type Terms } from '../../../../pipelines/rocket-launches/discord/filter.ts'

const LAUNCH = {
  name: 'Falcon 9 Block 5 | Starlink Group 6-99',
  provider: 'SpaceX',
  pad: 'Space Launch Complex 40',
  location: 'Cape Canaveral SFS, FL, USA',
  orbit: 'Low Earth Orbit',
  mission_name: 'Starlink Group 6-99',
  mission_description: 'A batch of 23 satellites.',
}

function terms(list = ''): Terms {
  const parsed = parseTerms(list)
  if (parsed === undefined) throw new Error(`cannot be read: ${list}`)
  return parsed
}

const filter = (changes: Partial<Record<keyof Filter, string>>): Filter => ({
  providers: terms(changes.providers),
  locations: terms(changes.locations),
  orbits: terms(changes.orbits),
  keywords: terms(changes.keywords),
})

describe('parseTerms', () => {
  it.each([
    ['', [], []],
    [' , ,- , -', [], []],
    ['SpaceX', ['spacex'], []],
    [' Rocket Lab , -Starlink,- OneWeb ,ÉSA', ['rocket lab', 'esa'], ['starlink', 'oneweb']],
    ['Falcon-9', ['falcon-9'], []],
    ['"Kennedy Space Center, FL, USA"', ['kennedy space center, fl, usa'], []],
    [
      '"Cape Canaveral SFS, FL, USA", -"Starbase, TX, USA" ,China',
      ['cape canaveral sfs, fl, usa', 'china'],
      ['starbase, tx, usa'],
    ],
    ['"The ""Weather"", or not"', ['the "weather", or not'], []],
    ['"-x", "", " ",', ['-x'], []],
    ['5" rocket', ['5" rocket'], []],
    ['Straße, ŁÓDŹ, Ørsted, Işık, ﬁre', ['strasse', 'lodz', 'orsted', 'isik', 'fire'], []],
    ['\u0301, Kine\u0301is', ['kineis'], []],
  ])('reads %j', (list, include, exclude) => expect(parseTerms(list)).toEqual({ include, exclude }))

  it.each(['"open', '"open, x', '"a" b', 'a, "b" c', '-"', '"a""'])('rejects %j', (list) =>
    expect(parseTerms(list)).toBeUndefined(),
  )
})

describe('passes', () => {
  it.each<[boolean, Partial<Record<keyof Filter, string>>]>([
    [true, {}],
    [true, { providers: 'spacex' }],
    [true, { providers: 'ULA,space' }],
    [false, { providers: 'ULA' }],
    [false, { providers: '-SPACEX' }],
    [true, { providers: '-ULA' }],
    [false, { providers: 'SpaceX,-space' }],
    [true, { locations: 'canaveral' }],
    [true, { locations: 'complex 40' }],
    [false, { locations: 'vandenberg' }],
    [true, { orbits: 'low earth' }],
    [false, { orbits: '-low earth' }],
    [true, { keywords: 'satellites' }],
    [true, { keywords: 'falcon' }],
    [false, { keywords: '-starlink' }],
    [false, { keywords: 'crew' }],
    [false, { providers: 'SpaceX', keywords: '-starlink' }],
    [false, { providers: 'SpaceX', locations: 'vandenberg' }],
  ])('%s with %j', (expected, changes) => expect(passes(LAUNCH, filter(changes))).toBe(expected))

  it('an unknown text contains no term', () => {
    const unknown = { ...LAUNCH, provider: null, orbit: null, mission_name: null, mission_description: null }
    expect(passes(unknown, filter({ providers: 'SpaceX' }))).toBe(false)
    expect(passes(unknown, filter({ providers: '-SpaceX', orbits: '-low', keywords: '-satellites' }))).toBe(true)
  })

  it('a quoted part may contain commas', () => {
    const places = filter({ locations: '"Kennedy Space Center, FL, USA"' })
    expect(passes({ ...LAUNCH, location: 'Vandenberg SFB, CA, USA' }, places)).toBe(false)
    expect(passes({ ...LAUNCH, location: 'Kennedy Space Center, FL, USA' }, places)).toBe(true)
  })

  it.each(['Kinéis', 'Kinéis'.normalize('NFD'), 'kineis', 'KINÉIS'])('finds Kinéis by %j', (term) => {
    for (const mission_name of ['Kinéis 1-5', 'Kinéis 1-5'.normalize('NFD')])
      expect(passes({ ...LAUNCH, mission_name }, filter({ keywords: term }))).toBe(true)
  })

  it('does not match a term across two texts', () => {
    expect(passes({ ...LAUNCH, pad: 'A', location: 'B' }, filter({ locations: 'ab' }))).toBe(false)
  })
})
