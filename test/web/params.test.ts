import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { dag } from '../../src/dag/dag.ts'
import { checkConf, confOf, paramFields } from '../../src/web/params.ts'
import { scheduleWords } from '../../src/web/schedule-words.ts'

const wide = dag(
  'wide',
  {
    params: z.object({
      text: z.string().min(2).optional(),
      whole: z.number().int().optional(),
      on: z.boolean().default(true),
      one: z.enum(['a', 'b']).optional(),
      day: z.coerce.date().optional(),
      list: z.array(z.string()).optional(),
      maybe: z.string().nullable().optional(),
      either: z.union([z.string(), z.number()]).optional(),
      instant: z
        .union([z.iso.date(), z.iso.datetime()])
        .transform((text) => new Date(text))
        .optional(),
      amount: z.union([z.number(), z.array(z.number())]).optional(),
      date: z.iso.date().nullish(),
      at: z.iso.datetime().optional(),
      level: z.union([z.literal(1), z.literal(2)]).optional(),
      size: z.literal(['s', 2, null]).optional(),
    }),
  },
  () => {},
)

describe('a form made from params', () => {
  test('has a field of the right kind for each param', () => {
    expect(Object.fromEntries(paramFields(wide).map(({ name, kind }) => [name, kind]))).toEqual({
      text: 'text',
      whole: 'number',
      on: 'boolean',
      one: 'choice',
      day: 'instant',
      list: 'json',
      maybe: 'text',
      either: 'any',
      instant: 'text',
      amount: 'any',
      date: 'date',
      at: 'instant',
      level: 'choice',
      size: 'choice',
    })
  })

  test.each([
    [{}, {}],
    [{ text: '  ', whole: '', on: '' }, {}],
    [
      { text: 'ab', whole: ' 7 ', on: 'false', one: 'b' },
      { text: 'ab', whole: 7, on: false, one: 'b' },
    ],
    [
      { day: '2026-01-31', list: '["x"]', maybe: 'y', either: '3' },
      { day: '2026-01-31', list: ['x'], maybe: 'y', either: '3' },
    ],
    [
      { date: '2026-01-31', at: '2026-01-31T17:10', level: '2', size: '2' },
      { date: '2026-01-31', at: '2026-01-31T17:10:00Z', level: 2, size: 2 },
    ],
    [
      { at: '2026-01-31T17:10:05.250', day: '2026-01-31T17:10', size: 's' },
      { at: '2026-01-31T17:10:05.250Z', day: '2026-01-31T17:10:00Z', size: 's' },
    ],
  ])('%o becomes conf %o', (given, conf) => {
    expect(confOf(wide, given as Record<string, string>)).toEqual({ conf, errors: {} })
  })

  test.each([
    [{ text: 'a' }, 'text'],
    [{ whole: 'seven' }, 'whole'],
    [{ whole: '1.5' }, 'whole'],
    [{ one: 'c' }, 'one'],
    [{ day: 'someday' }, 'day'],
    [{ list: 'x' }, 'list'],
    [{ list: '[1]' }, 'list'],
    [{ level: '3' }, 'level'],
    [{ at: 'noon' }, 'at'],
  ])('%o is an error at field %s', (given, field) => {
    expect(Object.keys(confOf(wide, given as Record<string, string>).errors)).toEqual([field])
  })

  test.each([
    [z.number(), ''],
    [z.number().min(1).max(1_000), '1 to 1,000'],
    [z.number().gt(0).lt(1), 'More than 0, less than 1'],
    [z.int(), 'A whole number'],
    [z.int().min(5).multipleOf(5), 'A whole number, at least 5, a multiple of 5'],
    [z.string().min(3), 'At least 3 characters'],
    [z.string().max(1), 'At most 1 character'],
    [z.string().length(4).nullish(), 'Exactly 4 characters'],
    [z.string().regex(/^a+$/), 'Matches ^a+$'],
    [z.email(), 'An email address'],
    [z.iso.datetime(), ''],
    [z.array(z.string()).min(1).max(5), '1 to 5 items'],
  ])('shows the limits of a param: %#', (schema, limits) => {
    const [field] = paramFields(dag('limited', { params: z.object({ one: schema }) }, () => {}))
    expect(field?.limits).toBe(limits)
  })

  test('an unknown name is an error unless the schema accepts any', () => {
    expect(checkConf(wide, { txet: 'ab' })).toEqual({ txet: "'wide' has no param of this name" })
    const loose = dag('loose', { params: z.looseObject({}) }, () => {})
    expect(checkConf(loose, { anything: 1 })).toEqual({})
  })

  test.each(['toString', 'constructor', 'valueOf', 'other'])('limits hold for a value with the name %s', (name) => {
    const limited = dag('limited', { params: z.object({}).catchall(z.int().max(5)) }, () => {})
    expect(checkConf(limited, { [name]: 5 })).toEqual({})
    expect(Object.entries(checkConf(limited, { [name]: 999 }))).toEqual([[name, expect.stringContaining('5')]])
  })
})

test.each([
  [null, 'UTC', 'manual runs only'],
  ['*/5 * * * *', 'UTC', 'every 5 minutes'],
  ['* * * * *', 'UTC', 'every minute'],
  ['* * * * * *', 'UTC', 'every second'],
  ['@hourly', 'UTC', 'every hour'],
  ['7 * * * *', 'UTC', 'hourly at 07 past'],
  ['0 */6 * * *', 'UTC', 'every 6 hours'],
  ['@daily', 'UTC', 'daily at 00:00 UTC'],
  ['30 3 * * *', 'Europe/Paris', 'daily at 03:30 (Europe/Paris)'],
  ['0 9 * * 1-5', 'UTC', 'Monday to Friday at 09:00 UTC'],
  ['@weekly', 'UTC', 'Sundays at 00:00 UTC'],
  ['@monthly', 'UTC', 'monthly on day 1 at 00:00 UTC'],
  ['5 4 * 1 *', 'UTC', '5 4 * 1 * UTC'],
  ['1,2 * * * *', 'UTC', '1,2 * * * * UTC'],
  ['0 9 * * 1-5; 0 12 * * 6', 'UTC', 'Monday to Friday at 09:00 UTC; Saturdays at 12:00 UTC'],
  ['@daily; 2026-12-24T18:00:00.000Z', 'UTC', 'daily at 00:00 UTC; 2026-12-24 18:00 UTC'],
  [
    '2026-12-24T18:00:30.000Z; @daily; @hourly; @weekly; @monthly',
    'UTC',
    '2026-12-24 18:00:30 UTC; daily at 00:00 UTC; every hour; 2 more',
  ],
  ['@continuous', 'UTC', 'continuously'],
  ['every 90m from 2026-01-01T00:00:00.000Z', 'UTC', 'every 90 minutes'],
  ['every 1d from 2026-01-01T06:00:00.000Z', 'UTC', 'every day'],
])('%s in %s is %s', (schedule, timezone, words) => {
  expect(scheduleWords(schedule, timezone)).toBe(words)
})
