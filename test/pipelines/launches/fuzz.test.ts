import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import type { ApiVersion } from '../../../pipelines/launches/api-version.ts'
import { type Parsed, parseLaunch } from '../../../pipelines/launches/parse-launch.ts'
import { type PageSummary, storePage } from '../../../pipelines/launches/store-page.ts'
import { sampleLaunches } from '../../../pipelines/rocket-launches/demo/launches.ts'
import { shaped } from '../../../pipelines/rocket-launches/demo/shape.ts'
import { createLaunchDatabase, useDatabase } from '../../support/database.ts'
import { MUTATIONS, NO_LAUNCHES } from '../../support/fuzzed-launch.ts'
import { launch230 } from '../../support/launches.ts'
import { FULL, Random, SEED } from '../../support/random.ts'
import { RECORDED, recorded } from '../../support/recorded.ts'

const COUNT = FULL ? 20_000 : 2_000
const PAGE = 100
const NOW = new Date('2026-01-15T00:00:00Z')

const database = useDatabase(createLaunchDatabase)

interface Original {
  version: ApiVersion
  launch: Record<string, unknown>
}

interface Damaged {
  kind: string
  received: unknown
  parsed: Parsed
}

test(`${COUNT} damaged launches are stored or recorded as rejects, none is lost (seed ${SEED})`, {
  timeout: 600_000,
}, async () => {
  const random = new Random(SEED)
  const originals = originalLaunches()
  const kinds = [...Object.keys(MUTATIONS), NONE]
  const all: Damaged[] = []
  const total: PageSummary = { inserted: 0, updated: 0, unchanged: 0, rejected: 0 }
  for (let start = 0; start < COUNT; start += PAGE) {
    const page = Array.from({ length: PAGE }, (_, index) =>
      damage(kinds[(start + index) % kinds.length] as string, random.pick(originals), random),
    )
    // One twice in a page, one that came in an earlier page.
    page.push(random.pick(page), random.pick(all.length > 0 ? all : page))
    const stored = await storePage(
      database.pool,
      page.map(({ parsed }) => parsed),
      NOW,
    )
    const { inserted, updated, unchanged, rejected } = stored
    expect(inserted + updated + unchanged + rejected).toBe(page.length)
    expect(rejected).toBe(page.filter(({ parsed }) => 'issues' in parsed).length)
    for (const key of ['inserted', 'updated', 'unchanged', 'rejected'] as const) total[key] += stored[key]
    all.push(...page)
  }
  expect(new Set(all.map(({ kind }) => kind)).size).toBe(kinds.length)
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  await expectStored(all, total.inserted)
  await expectRejected(all)
  console.log(`${all.length} launches damaged in ${kinds.length} ways:`, JSON.stringify(total))
})

/** Of all versions; those that were recorded come in where they are at hand. */
function originalLaunches(): Original[] {
  const samples = sampleLaunches(NOW, { origin: 'https://launches.example' })
  const older = { image: 'https://launches.example/a.png', pad: { name: 'Pad', latitude: '34.6', longitude: '-120.6' } }
  const files = RECORDED ? recorded().filter(({ file }) => !file.includes('-list-')) : []
  return [
    ...samples.map((launch) => ({ version: '2.3.0' as const, launch: { ...launch } })),
    ...samples.map((launch) => ({ version: '2.4.0' as const, launch: shaped('2.4.0')(launch) as Original['launch'] })),
    ...(['2.0.0', '2.2.0'] as const).map((version) => ({ version, launch: launch230(older) })),
    ...files.flatMap(({ version, launches }) => launches.map((launch) => ({ version, launch }))),
  ].filter(({ launch }) => launch.image !== null)
}

const NONE = 'no launch at all'

function damage(kind: string, { version, launch }: Original, random: Random): Damaged {
  const [fate, mutate] = MUTATIONS[kind] ?? (['rejected', () => {}] as const)
  const copy = { ...structuredClone(launch), id: randomUUID() }
  mutate(copy, random)
  const received = kind === NONE ? random.pick(NO_LAUNCHES) : copy
  const parsed = parseLaunch(version, received)
  const verdict = 'launch' in parsed ? 'fits' : 'rejected'
  const issues = 'issues' in parsed ? parsed.issues : undefined
  if (fate !== 'either') expect([kind, verdict, issues]).toEqual([kind, fate, issues])
  expect(issues).not.toEqual([])
  return { kind, received, parsed }
}

async function expectStored(all: readonly Damaged[], inserted: number): Promise<void> {
  const fitting = new Map<string, Set<string>>()
  for (const { parsed } of all)
    if ('launch' in parsed) {
      const { launch_id } = parsed.launch
      fitting.set(launch_id, (fitting.get(launch_id) ?? new Set()).add(parsed.details))
    }
  // If damage gives two launches the same id, the launch that changed last is kept.
  const alone = [...fitting].flatMap(([id, [details, other]]) => (other === undefined ? [[id, details]] : []))
  const { rows } = await database.pool.query(
    `select count(*) filter (where stored.details = page.details::jsonb
         and stored.name = page.details::jsonb ->> 'name') as same,
       (select count(*) from rocket_launches) as stored
     from unnest($1::text[], $2::text[]) as page (launch_id, details) join rocket_launches stored using (launch_id)`,
    [alone.map(([id]) => id), alone.map(([, details]) => details)],
  )
  expect(rows).toEqual([{ same: alone.length, stored: fitting.size }])
  expect(inserted).toBe(fitting.size)
}

async function expectRejected(all: readonly Damaged[]): Promise<void> {
  const fitting = new Set(all.flatMap(({ parsed }) => ('launch' in parsed ? [parsed.launch.launch_id] : [])))
  const keys = new Set<string>()
  for (const { parsed } of all)
    if ('issues' in parsed && !fitting.has(parsed.launchId ?? ''))
      keys.add(parsed.launchId ?? `without id: ${parsed.details}`)
  // Of an id that also fitted once, the row may have left again.
  const { rows } = await database.pool.query(
    `select count(*) as kept, count(*) filter (where key = any ($1)) as named,
       count(*) filter (where jsonb_array_length(issues) > 0) as explained
     from rocket_launch_rejects where not key = any ($2)`,
    [[...keys], [...fitting]],
  )
  const named = [...keys].filter((key) => !key.startsWith('without id: ')).length
  expect(rows).toEqual([{ kept: keys.size, named, explained: keys.size }])
}
