import ICAL from 'ical.js'
import { beforeEach, describe, expect, test } from 'vitest'
import { sampleLaunches } from '../../../../pipelines/rocket-launches/demo/launches.ts'
import { createLaunchDatabase, useDatabase } from '../../../support/database.ts'
import { launch230, withId } from '../../../support/launches.ts'
import { store, useBoard } from './board-site.ts'

const NOW = new Date('2026-11-21T12:00:00Z')

const database = useDatabase(createLaunchDatabase)
const site = useBoard(database, () => NOW)
beforeEach(() => database.pool.query('truncate rocket_launches, rocket_launch_changes'))

/** A launch; `precision` is Launch Library's id. */
const launch = (id: number, net: string, changes: Record<string, unknown> = {}) =>
  launch230({
    id: `launch-${id}`,
    name: `Precision ${id}`,
    net,
    net_precision: withId(id),
    window_start: net,
    window_end: net,
    ...changes,
  })

/** Parses with another library than the one that wrote the calendar. */
async function events(path = '/launches.ics') {
  const answer = await site.get(path)
  expect(answer.headers.get('content-type')).toBe('text/calendar; charset=utf-8')
  const text = await answer.text()
  for (const line of text.split('\r\n')) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(75)
  expect(text.replaceAll('\r\n', '')).not.toMatch(/\p{Cc}/u)
  const calendar = new ICAL.Component(ICAL.parse(text))
  return calendar.getAllSubcomponents('vevent').map((component) => new ICAL.Event(component))
}

const shown = (event: ICAL.Event) => [event.summary, event.startDate.toString(), event.endDate.toString()]

describe('launches.ics', () => {
  const all = [
    launch(0, '2026-11-22T10:00:30Z'),
    launch(1, '2026-11-23T10:00:00Z', { window_end: '2026-11-23T12:30:00Z' }),
    launch(2, '2026-11-24T10:00:00Z', { window_end: '2026-12-24T10:00:00Z' }),
    launch(3, '2026-11-25T00:00:00Z'),
    launch(5, '2026-11-26T00:00:00Z'),
    launch(6, '2026-12-06T00:00:00Z'),
    ...[7, 8, 11, 12, 13, 14, 15, 16].map((id) => launch(id, '2027-12-31T00:00:00Z')),
  ]

  // A day must remain the same day in every time zone of the server.
  test.each(['UTC', 'America/Los_Angeles', 'Pacific/Kiritimati'])(
    'a time is a time, a day or a week is whole, and what is coarser is left out (in %s)',
    async (zone) => {
      const before = process.env.TZ
      process.env.TZ = zone
      try {
        expect(new Date(NOW).getTimezoneOffset()).toBe({ UTC: 0, 'America/Los_Angeles': 480 }[zone] ?? -840)
        await store(database.pool, all, NOW)
        expect((await events()).map(shown)).toEqual([
          ['Precision 0', '2026-11-22T10:00:30Z', '2026-11-22T11:00:30Z'],
          ['Precision 1', '2026-11-23T10:00:00Z', '2026-11-23T12:30:00Z'],
          ['Precision 2', '2026-11-24T10:00:00Z', '2026-11-24T11:00:00Z'],
          ['Precision 3', '2026-11-25', '2026-11-26'],
          ['Precision 5', '2026-11-26', '2026-11-27'],
          ['Precision 6', '2026-11-30', '2026-12-07'],
        ])
      } finally {
        if (before === undefined) delete process.env.TZ
        else process.env.TZ = before
      }
    },
  )

  test('an entry moves with its launch', async () => {
    await store(database.pool, [launch(1, '2026-11-23T10:00:00Z')], NOW)
    const [first] = await events()
    const later = launch(1, '2026-11-24T10:00:00Z', { last_updated: '2026-11-21T11:00:00Z', name: 'Another name' })
    await store(database.pool, [later], new Date(NOW.getTime() + 60_000))
    const [moved, ...more] = await events()
    expect(more).toEqual([])
    expect(moved?.uid).toBe(first?.uid)
    expect(shown(moved as ICAL.Event)).toEqual(['Another name', '2026-11-24T10:00:00Z', '2026-11-24T11:00:00Z'])
    const changedAt = (event: ICAL.Event | undefined) => String(event?.component.getFirstPropertyValue('last-modified'))
    expect([changedAt(first), changedAt(moved)]).toEqual(['2026-11-21T12:00:00Z', '2026-11-21T12:01:00Z'])
  })

  test('flown launches stay; launches that Launch Library no longer lists go', async () => {
    const flown = launch(1, '2026-11-20T10:00:00Z', { status: { id: 3, name: 'Success' } })
    await store(database.pool, [flown, launch(2, '2026-11-25T10:00:00Z')], NOW)
    expect((await events()).map(({ summary }) => summary)).toEqual(['Precision 1', 'Precision 2'])
    await database.pool.query('update rocket_launches set vanished_at = $1', [NOW.toISOString()])
    expect(await events()).toEqual([])
  })

  test.each([
    ['go', 1, 'CONFIRMED'],
    ['a date to be determined', 2, 'TENTATIVE'],
    ['success', 3, 'CONFIRMED'],
    ['failure', 4, 'CONFIRMED'],
    ['a hold', 5, 'TENTATIVE'],
    ['in flight', 6, 'CONFIRMED'],
    ['partial failure', 7, 'CONFIRMED'],
    ['a date to be confirmed', 8, 'TENTATIVE'],
    ['payload deployed', 9, 'CONFIRMED'],
    ['a status that is not known here', 77, 'TENTATIVE'],
  ])('%s (status %d) is %s', async (_, id, status) => {
    await store(database.pool, [launch(1, '2026-11-21T10:00:00Z', { status: { id, name: '' } })], NOW)
    expect((await events()).map(({ component }) => component.getFirstPropertyValue('status'))).toEqual([status])
  })

  test('a calendar of a search has only the matching launches', async () => {
    await store(database.pool, [...all, launch(4, '2026-11-27T00:00:00Z', { name: 'Unmistakable' })], NOW)
    expect((await events('/launches.ics?q=unmistakable')).map(({ summary }) => summary)).toEqual(['Unmistakable'])
    expect(await events('/launches.ics?provider=Nobody')).toEqual([])
  })

  test('an id with line breaks adds no line to its entry', async () => {
    const id = 'evil\r\nATTENDEE:mailto:a@b.c\r\nEND:VEVENT\u0001'
    await store(database.pool, [launch(1, '2026-11-23T10:00:00Z', { id })], NOW)
    const [event, ...more] = await events()
    expect([event?.uid, event?.attendees, more]).toEqual([`${encodeURIComponent(id)}@tminus`, [], []])
  })

  test('is valid with any text in a launch', async () => {
    const evil = `;,:\\n"\r\nEND:VEVENT\r\nBEGIN:VALARM\u0007\u0000${'ö🚀'.repeat(2_000)}`
    await store(
      database.pool,
      [
        launch(1, '2026-11-23T10:00:00Z', {
          name: evil,
          mission: { name: evil, description: evil, type: evil },
          pad: { name: evil, latitude: 1e9, longitude: -1e9, location: { name: evil } },
          launch_service_provider: { name: evil },
          window_end: '9999-12-31T00:00:00Z',
        }),
        launch(5, '2026-11-24T00:00:00Z'),
      ],
      NOW,
    )
    const [event, other] = await events()
    expect(event?.summary).toMatch(/^;,:\\n" END:VEVENT BEGIN:VALARM/)
    expect(event?.component.getAllSubcomponents()).toEqual([])
    expect(other?.summary).toBe('Precision 5')
  })

  test('has the sample launches', async () => {
    await store(database.pool, sampleLaunches(NOW), NOW)
    const found = await events()
    expect(found.length).toBeGreaterThan(10)
    expect(new Set(found.map(({ uid }) => uid)).size).toBe(found.length)
  })
})
