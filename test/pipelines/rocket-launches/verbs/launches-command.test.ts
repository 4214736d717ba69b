import { once } from 'node:events'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseLaunch } from '../../../../pipelines/launches/parse-launch.ts'
import { storePage } from '../../../../pipelines/launches/store-page.ts'
import { type Ended, PIPELINES, runCli, startCli } from '../../../support/cli.ts'
import { createDatabase, createLaunchDatabase, useDatabase } from '../../../support/database.ts'
import { launch230 } from '../../../support/launches.ts'

const NOW = '2026-11-21T05:00:00Z'
const id = (number: number) => `${String(number).repeat(8)}-0000-4000-8000-000000000000`
const precision = (number: number) => ({ id: number, name: '…', abbrev: '…', description: '…' })
const status = (number: number, name: string) => ({ id: number, name, abbrev: name, description: '…' })
const window = (net: string) => ({ net, window_start: net, window_end: net })

/** By number: 1 has flown, 2 is next, 3 is later and of another provider, 4 is known by month, 5 vanished from the list. */
const LAUNCHES = [
  launch230({ id: id(1), name: 'Electron | Flown', ...window('2026-11-20T10:00:00Z'), status: status(3, 'Success') }),
  launch230({ id: id(2), name: 'Falcon 9 Block 5 | Starlink 1', ...window('2026-11-22T10:00:00Z') }),
  launch230({
    id: id(3),
    name: '=Ariane 64 | "Weather", or not',
    ...window('2026-11-24T10:00:00Z'),
    launch_service_provider: { id: 115, name: 'Arianespace', abbrev: 'ASP', type: null },
    status: status(8, 'TBC'),
    pad: { id: 1, name: 'ELA-4', latitude: -5.2, longitude: -52.7, location: { id: 13, name: 'Guiana Space Centre' } },
  }),
  launch230({ id: id(4), name: 'Vulcan | Month', ...window('2026-11-23T00:00:00Z'), net_precision: precision(7) }),
  launch230({ id: id(5), name: 'Falcon 9 Block 5 | Starlink gone', ...window('2026-11-21T10:00:00Z') }),
]

const database = useDatabase(createLaunchDatabase)
const environment = () => ({
  PIPELINES_DIR: `${PIPELINES}/../../../pipelines`,
  DATABASE_URL: database.connectionString,
  CLOCK: NOW,
})
const launches = (line: string, env: Record<string, string> = {}): Promise<Ended> =>
  runCli(['launches', ...(line.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', ''))], {
    env: { ...environment(), ...env },
  })
const json = async (line: string) => JSON.parse((await launches(`${line} -o json`)).stdout)
const lines = (text: string) => text.trimEnd().split('\n')

beforeAll(async () => {
  await store(LAUNCHES, '2026-11-01T00:00:00Z')
  const [, second = {}, third = {}] = LAUNCHES
  await store([{ ...third, net_precision: precision(7), net: '2026-11-30T00:00:00Z' }], '2026-11-02T00:00:00Z')
  await store(
    [
      { ...third, probability: 40 },
      { ...second, ...window('2026-11-22T12:30:00Z') },
    ],
    '2026-11-19T00:00:00Z',
  )
  await database.pool.query('update rocket_launches set vanished_at = $1 where launch_id = $2', [NOW, id(5)])
})

async function store(received: readonly Record<string, unknown>[], at: string): Promise<void> {
  const page = received.map((launch) => parseLaunch('2.3.0', { ...launch, last_updated: at }))
  expect((await storePage(database.pool, page, new Date(at))).rejected).toBe(0)
}

describe.concurrent('launches next, list, show', () => {
  test('next: the nearest launch with a precise time', async () => {
    const { code, stdout, stderr } = await launches('next')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^Falcon 9 Block 5 \| Starlink 1\nwhen {6}22 November 2026, 12:30 UTC \(in 31 h 30 min\)\n/)
    expect(stdout).toMatch(/^about {5}Two\n {10}lines — and more\.$/m)
    expect(await json('next')).toMatchObject({ launch_id: id(2), net: '2026-11-22T12:30:00.000Z', net_precision: 1 })
    const none = await launches('next', { CLOCK: '2027-11-21T05:00:00Z' })
    expect([none.code, none.stderr]).toEqual([
      1,
      expect.stringMatching(/^✖ No upcoming launch is stored; npm run pipe/),
    ])
  })

  test('next and db check warn that no launch passes the filters', async () => {
    const env = { DISCORD_FILTER_LOCATIONS: '"Kennedy Space Center, FL, USA"' }
    const why = /none of the 3 upcoming launches passes DISCORD_FILTER_LOCATIONS, so none is announced/
    const { code, stdout } = await launches('next', env)
    expect([code, stdout]).toEqual([0, expect.stringMatching(why)])
    expect((await launches('next', { DISCORD_FILTER_LOCATIONS: '"Vandenberg SFB, CA, USA"' })).stdout).not.toMatch(why)
    expect(JSON.parse((await launches('next -o json', env)).stdout)).toMatchObject({ launch_id: id(2) })
    expect((await launches('next', { DISCORD_FILTER_LOCATIONS: '"open' })).code).toBe(0)
    const check = await runCli(['db', 'check', '-o', 'json'], { env: { ...environment(), ...env } })
    const checks = JSON.parse(check.stdout) as { checks?: unknown[] }
    expect(checks.checks ?? checks).toContainEqual(
      expect.objectContaining({ level: 'warn', message: expect.stringMatching(why) }),
    )
  })

  test('list: upcoming launches, nearest first, no placeholder as a time', async () => {
    const { code, stdout } = await launches('list')
    expect([code, ...lines(stdout).map((line) => line.split(/ {2,}/).slice(1, 5))]).toEqual([
      0,
      ['when', 'status', 'launch', 'provider'],
      ['2026-11-22 12:30Z', 'Go', 'Falcon 9 Block 5 | Starlink 1', 'SpaceX'],
      ['2026-11-24 10:00Z', 'TBC', '=Ariane 64 | "Weather", or not', 'Arianespace'],
      ['NET November 2026', 'Go', 'Vulcan | Month', 'SpaceX'],
    ])
  })

  test.each([
    ['list --limit 2', [2, 3]],
    ['list --past', [1]],
    ['list --provider ariane', [3]],
    ['list --search "guiana ARIANE"', [3]],
    ['list --search "guiana starlink"', []],
    ['list --search %', []],
  ])('%s', async (line, numbers) => {
    expect((await json(line)).map((launch: { launch_id: string }) => launch.launch_id)).toEqual(numbers.map(id))
  })

  test('an empty list says so', async () => {
    expect(await launches('list --provider nobody')).toEqual({
      code: 0,
      stdout: 'No stored launch matches\n',
      stderr: '',
    })
  })

  test.each([
    ['3', 3],
    [id(3), 3],
    ['33333333', 3],
    ['"weather ariane"', 3],
    ['"falcon 9 block 5 | starlink 1"', 2],
    ['gone', 5],
  ])('show %s', async (text, number) => {
    const shown = await json(`show ${text}`)
    expect(shown).toMatchObject({ launch_id: id(number), details: { id: id(number) } })
  })

  test('show: stored data, links, slips', async () => {
    const { code, stdout } = await launches('show 3')
    expect([code, lines(stdout)[0]]).toEqual([0, '=Ariane 64 | "Weather", or not'])
    expect(stdout).toMatch(/^pad +ELA-4, Guiana Space Centre$/m)
    expect(stdout).toMatch(/^image +https:\/\/images\.example\/falcon\.jpg © SpaceX$/m)
    expect(stdout).toMatch(/^place +-5\.2, -52\.7$/m)
    expect(stdout).toMatch(/^slips +1; the same as at first$/m)
    expect((await launches('show 5')).stdout).toMatch(/^vanished +2026-11-21 05:00Z, from the list/m)
    const { changes } = await json('show 2')
    const net = { field: 'net', old: '2026-11-22T10:00:00Z', new: '2026-11-22T12:30:00Z' }
    expect(changes[0]).toEqual({ ...net, seen_at: '2026-11-19T00:00:00.000Z' })
  })

  test.each([
    ['show nothing', "✖ Unknown launch 'nothing'; npm run cli -- launches list --search TEXT searches"],
    ['changes nothing', "✖ Unknown launch 'nothing'; "],
    [
      'show starlink',
      "✖ Several launches match 'starlink'; choose one by its id:\n  5  Falcon 9 Block 5 | Starlink gone\n  2 ",
    ],
  ])('%s: exit 1', async (line, says) => {
    const { code, stdout, stderr } = await launches(line)
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringContaining(says)])
  })
})

describe.concurrent('launches changes', () => {
  test('shows changes in words, newest first, with the precision at that time', async () => {
    const { code, stdout } = await launches('changes')
    expect([code, lines(stdout)]).toEqual([
      0,
      [
        '2026-11-19 00:00Z  =Ariane 64 | "Weather", or not',
        '  time     NET November 2026 → 2026-11-24 10:00Z',
        '  weather  90 % favourable → 40 % favourable',
        '2026-11-19 00:00Z  Falcon 9 Block 5 | Starlink 1',
        '  time  2026-11-22 10:00Z → 2026-11-22 12:30Z (2 h 30 min later)',
        '2026-11-02 00:00Z  =Ariane 64 | "Weather", or not',
        '  time  2026-11-24 10:00Z → NET November 2026',
      ],
    ])
  })

  test.each([
    ['changes --since 7d', 5 + 1],
    ['changes --since 2026-11-19', 5 + 1],
    ['changes --since 2026-11-19T00:00:01Z', 0],
    ['changes --limit 1', 3],
    ['changes falcon starlink 1', undefined],
    ['changes "block starlink 1"', 3],
  ])('%s', async (line, count) => {
    const { code, stdout, stderr } = await launches(`${line} -o json`)
    if (count === undefined) expect([code, stderr]).toEqual([2, expect.stringContaining('Too many arguments')])
    else expect(JSON.parse(stdout)).toHaveLength(count)
  })
})

describe.concurrent('launches export', () => {
  test('CSV: quotes, line breaks, and no formula for a spreadsheet', async () => {
    const { code, stdout } = await launches('export')
    const [header = [], ...records] = readCsv(stdout)
    expect([code, records.length, header[1], header[2]]).toEqual([0, 5, 'launch_id', 'name'])
    const third = Object.fromEntries(header.map((name, column) => [name, records[4]?.[column]]))
    expect(third).toMatchObject({
      name: `'=Ariane 64 | "Weather", or not`,
      net: '2026-11-24T10:00:00.000Z',
      latitude: '-5.2',
      mission_description: 'Two\nlines — and more.',
      hold_reason: '',
      webcast_live: 'false',
    })
    const [names = [], first = []] = readCsv((await launches('export --details --since 2026-11-24')).stdout)
    expect(JSON.parse(first[names.indexOf('details')] ?? '')).toMatchObject({ id: id(3) })
  })

  test('JSON, by time; --since is within, --until is not', async () => {
    const all = JSON.parse((await launches('export --format json')).stdout)
    expect(all.map((launch: { launch_id: string }) => launch.launch_id)).toEqual([1, 5, 2, 4, 3].map(id))
    expect(all[0]).not.toHaveProperty('details')
    const span = await launches('export --format json --since 2026-11-20T10:00:00Z --until 2026-11-21T10:00:00Z')
    expect(JSON.parse(span.stdout)).toHaveLength(1)
    expect(JSON.parse((await launches('export --format json --until 2000-01-01')).stdout)).toEqual([])
  })

  test('stops when its reader closes the pipe', async () => {
    const { process: child, ended } = startCli(['launches', 'export', '--details'], { env: environment() })
    child.stdout?.destroy()
    await once(child, 'exit')
    expect(await ended).toMatchObject({ code: 0, stderr: '' })
  })
})

/** Parses RFC 4180, field by field. */
function readCsv(text: string): string[][] {
  const fields = [...text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)]
  expect(fields.map(([whole]) => whole).join('')).toBe(text)
  const records: string[][] = [[]]
  for (const [, quoted, plain, end] of fields) {
    records.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain ?? '')
    if (end === '\r\n') records.push([])
  }
  return records.slice(0, -1)
}

describe.concurrent('wrong arguments', () => {
  test.each([
    ['list --limit 0', '✖ --limit must be a whole number from 1 to 999999'],
    ['changes --since yesterday', '✖ --since must be 12h, 7d, a date such as 2026-01-31, or an instant such as'],
    ['export --until 2026-02-30T12:00:00Z', '✖ --until must be a date such as'],
    ['export --until 2026-02-30', '✖ --until must be a date such as'],
    ['export --format xml', "✖ Option '--format <format>' argument 'xml' is invalid. Allowed choices are csv, json."],
    ['lsit', "✖ Unknown command 'lsit'\n(Did you mean list?)"],
    ['show', "✖ Missing required argument 'launch'"],
  ])('%s: exit 2', async (line, says) => {
    const { code, stdout, stderr } = await launches(line)
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(says)])
  })

  test.each(['next', 'list', 'show', 'changes', 'export'])('%s --help has an example', async (verb) => {
    const { code, stdout } = await launches(`${verb} --help`)
    expect([code, stdout]).toEqual([0, expect.stringMatching(/\nExample:\n {2}npm run (-s )?cli -- launches /)])
  })

  test('says what to run before the first run', async () => {
    const empty = await createDatabase()
    for (const verb of ['next', 'list', 'show 1', 'changes', 'export']) {
      const { code, stderr } = await launches(verb, { DATABASE_URL: empty.connectionString })
      const says = '✖ No launches are stored yet; run npm run pipeline rocket-launches\n'
      expect([verb, code, stderr]).toEqual([verb, 1, says])
    }
    await empty.drop()
  })
})
