import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ParsedLaunch, parseLaunch } from '../../../pipelines/launches/parse-launch.ts'
import { storePage } from '../../../pipelines/launches/store-page.ts'
import { sampleLaunches } from '../../../pipelines/rocket-launches/demo/launches.ts'
import { shaped } from '../../../pipelines/rocket-launches/demo/shape.ts'
import { createLaunchDatabase, useDatabase } from '../../support/database.ts'
import { fromSchema, SCHEMA, WITHOUT_SCHEMA } from '../../support/from-schema.ts'
import { parsed } from '../../support/launches.ts'
import { SEED } from '../../support/random.ts'

const NOW = new Date('2026-01-15T00:00:00Z')
const database = useDatabase(createLaunchDatabase)

/** Postgres takes neither, so they are stored as U+FFFD. */
const clean = (text: string) => text.toWellFormed().replaceAll('\0', '\uFFFD')

interface Raw {
  id: string
  name: string
  net: string
  mission: { name: string } | null
  image: { image_url: string } | null
}

describe('a launch of API 2.4.0', () => {
  test('is parsed like one of 2.3.0; details keeps variants and countries', () => {
    for (const sample of sampleLaunches(NOW)) {
      const received = shaped('2.4.0')(sample)
      expect(parsed(received, '2.4.0')).toEqual(parsed(sample, '2.3.0'))
      expect(JSON.parse(parseLaunch('2.4.0', received).details)).toEqual(received)
    }
  })

  test.skipIf(!SCHEMA).each(['LaunchDetailed', 'LaunchNormal'])(
    `fits and is stored whatever its schema allows: %s${SCHEMA ? '' : ` (${WITHOUT_SCHEMA})`}`,
    { timeout: 120_000 },
    async (schema) => {
      // A launch without a name is rejected in every version.
      const launches = fc.sample(fromSchema(schema), { numRuns: 200, seed: SEED }) as unknown as Raw[]
      const named = launches.map((launch, index) => ({ ...launch, name: launch.name || `Launch ${index}` }))
      const page = named.map((launch) => parseLaunch('2.4.0', launch))
      expect(page.flatMap((one) => ('issues' in one ? one.issues : []))).toEqual([])
      for (const [index, raw] of named.entries()) {
        const { launch, detailed } = page[index] as ParsedLaunch
        expect(launch).toMatchObject({ launch_id: raw.id, name: clean(raw.name), net: new Date(raw.net) })
        expect(launch.image_url).toBe(raw.image?.image_url ?? null)
        expect(detailed).toBe(schema === 'LaunchDetailed')
        expect(launch.mission_name).toBe(raw.mission?.name.trim() ? clean(raw.mission.name) : null)
      }
      await database.pool.query('truncate rocket_launches')
      const summary = await storePage(database.pool, page, NOW)
      expect(summary).toEqual({ inserted: 200, updated: 0, unchanged: 0, rejected: 0 })
    },
  )

  test('in list mode, which lacks most fields, is rejected', () => {
    const [sample] = sampleLaunches(NOW)
    expect(parseLaunch('2.4.0', { ...sample, response_mode: 'list' })).toHaveProperty('issues')
  })
})
