import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import { fields, table } from '../../../src/cli/terminal/table.ts'
import { columnsOf } from '../../../src/terminal-text.ts'

const HEADER = ['id', 'name', 'place', 'note']
const ROW = ['an-id-that-is-never-cut', 'n'.repeat(40), 'p'.repeat(50), 'short']
const plain = (text: string) => stripVTControlCharacters(text).split('\n')
const shown = (columns: number, spare: string[] = []) => plain(table(HEADER, [ROW], { columns, spare }))

describe('a table', () => {
  test('is not cut if there is room, or no terminal', () => {
    const whole = ['id                       name                                      ', ROW.join('  ')]
    expect(shown(Number.POSITIVE_INFINITY)).toEqual([expect.stringContaining(whole[0] ?? ''), whole[1]])
    expect(shown(124)[1]).toBe(ROW.join('  '))
  })

  test('cuts its widest columns first, never the first one', () => {
    expect(shown(120)[1]).toBe(`${ROW[0]}  ${ROW[1]}  ${'p'.repeat(45)}…  short`)
    expect(shown(100)[1]).toBe(`${ROW[0]}  ${'n'.repeat(32)}…  ${'p'.repeat(32)}…  short`)
  })

  test.each([100, 82, 70, 60, 50])('fits %i columns', (columns) => {
    for (const line of shown(columns)) expect(columnsOf(line)).toBeLessThanOrEqual(columns)
    expect(shown(columns)[1]).toContain(ROW[0])
  })

  test('hides a column rather than cut all columns to a few characters', () => {
    expect(shown(80, ['place'])[0]).toMatch(/^id +name +note$/)
    expect(shown(90, ['place'])[0]).toMatch(/^id +name +place +note$/)
  })

  test('prints the given text if it has no rows', () => {
    expect(table(HEADER, [], { empty: 'No place yet' })).toBe('No place yet')
    expect(plain(table(HEADER, []))).toEqual(['id  name  place  note'])
  })

  test('counts columns as a terminal does, and makes control characters harmless', () => {
    const lines = plain(
      table(
        ['a', 'b'],
        [
          ['吉林', 'x'],
          ['e\u0301', 'line\r\nbreak \u001b[2J'],
        ],
      ),
    )
    expect(lines).toEqual(['a     b', '吉林  x', 'e\u0301     line break \uFFFD[2J'])
    expect(plain(table(['a', 'b'], [['1', '吉林一号吉林一号']], { columns: 12 }))[1]).toBe('1  吉林一号…')
  })
})

test('fields are printed one a line; a long one continues below its first line', () => {
  const given = [
    ['when', 'now'],
    ['empty', ''],
    ['none', null],
    ['what', 'three words here\n\nmore'],
  ] as const
  expect(plain(fields(given, 18))).toEqual(['when  now', 'what  three words', '      here', '', '      more'])
})
