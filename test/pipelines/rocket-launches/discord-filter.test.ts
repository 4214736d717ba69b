import { describe, expect, it } from 'vitest'
import { type Filter, passes, termsOf } from '../../../pipelines/rocket-launches/discord/filter.ts'

const LAUNCH = {
  name: 'Falcon 9 Block 5 | Starlink Group 6-99',
  provider: 'SpaceX',
  pad: 'Space Launch Complex 40',
  location: 'Cape Canaveral SFS, FL, USA',
  orbit: 'Low Earth Orbit',
  missionName: 'Starlink Group 6-99',
  missionDescription: 'A batch of 23 satellites.',
}

const filter = (changes: Partial<Record<keyof Filter, string>>): Filter => ({
  providers: termsOf(changes.providers ?? ''),
  locations: termsOf(changes.locations ?? ''),
  orbits: termsOf(changes.orbits ?? ''),
  keywords: termsOf(changes.keywords ?? ''),
})

describe('termsOf', () => {
  it.each([
    ['', [], []],
    [' , ,- , -', [], []],
    ['SpaceX', ['spacex'], []],
    [' Rocket Lab , -Starlink,- OneWeb ,ÉSA', ['rocket lab', 'ésa'], ['starlink', 'oneweb']],
    ['Falcon-9', ['falcon-9'], []],
  ])('reads %j', (list, include, exclude) => expect(termsOf(list)).toEqual({ include, exclude }))
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

  it('takes what is not known for being in no list', () => {
    const unknown = { ...LAUNCH, provider: null, orbit: null, missionName: null, missionDescription: null }
    expect(passes(unknown, filter({ providers: 'SpaceX' }))).toBe(false)
    expect(passes(unknown, filter({ providers: '-SpaceX', orbits: '-low', keywords: '-satellites' }))).toBe(true)
  })

  it('finds no term across two texts', () => {
    expect(passes({ ...LAUNCH, pad: 'A', location: 'B' }, filter({ locations: 'ab' }))).toBe(false)
  })
})
