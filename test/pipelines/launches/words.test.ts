import { describe, expect, expectTypeOf, test } from 'vitest'
import { amountText, coarseTime, timeText } from '../../../pipelines/launches/time.ts'
import type { Words } from '../../../pipelines/launches/words/en.ts'
import { KO } from '../../../pipelines/launches/words/ko.ts'
import { LANGUAGES, WORDS } from '../../../pipelines/launches/words/languages.ts'

/** Each text by its path. */
function textsOf(words: object, path = ''): [string, string][] {
  return Object.entries(words).flatMap(([key, value]): [string, string][] => {
    const at = path === '' ? key : `${path}.${key}`
    if (typeof value === 'function') return [[at, value('1', at === 'amount' ? 'day' : '1', '1')]]
    return typeof value === 'string' ? [[at, value]] : textsOf(value, at)
  })
}

/** Texts without words. */
const WORDLESS = ['notice.before', 'notice.after', 'notice.both', 'notice.by', 'digest.days', 'time']

describe('the texts of a language', () => {
  test('are complete, or they do not compile', () => {
    const { gone: _, ...rest } = KO
    expectTypeOf<typeof KO>().toExtend<Words>()
    expectTypeOf<typeof rest>().not.toExtend<Words>()
    expectTypeOf<Omit<Words, 'date'> & { date: string }>().not.toExtend<Words>()
  })

  test.each(LANGUAGES)('%s has no empty or broken text', (language) => {
    const broken = textsOf(WORDS[language]).filter(([, text]) => !text.trim() || /undefined|null|NaN|object/.test(text))
    expect(broken).toEqual([])
  })

  test('Korean has no text that is still English', () => {
    const english = textsOf(KO).filter(([, text]) => !/[가-힣]/.test(text))
    expect(english.map(([path]) => path).filter((path) => !WORDLESS.includes(path))).toEqual([])
  })
})

describe('in Korean', () => {
  test.each([
    [3, '2026-12-12T00:00:00Z', '2026년 12월 12일 오전 (시각 미정)'],
    [4, '2026-12-12T00:00:00Z', '2026년 12월 12일 오후 (시각 미정)'],
    [5, '2026-12-12T00:00:00Z', '2026년 12월 12일 (시각 미정)'],
    [6, '2026-12-13T00:00:00Z', '2026년 12월 7일 시작 주 이후'],
    [7, '2026-12-31T00:00:00Z', '2026년 12월 이후'],
    [8, '2027-03-31T00:00:00Z', '2027년 1분기'],
    [11, '2026-12-31T00:00:00Z', '2026년 4분기'],
    [12, '2027-06-30T00:00:00Z', '2027년 상반기'],
    [13, '2027-12-31T00:00:00Z', '2027년 하반기'],
    [14, '2027-12-31T00:00:00Z', '2027년 이후'],
    [15, '2027-09-30T00:00:00Z', '2027 회계연도'],
    [16, '2029-12-31T00:00:00Z', '2020년대'],
  ])('a date with precision %s, %s, reads "%s"', (precision, net, text) => {
    expect(coarseTime(new Date(net), precision, KO)).toBe(text)
  })

  test.each([
    [3_600_000, '1시간'],
    [2 * 86_400_000 + 3 * 3_600_000, '2일 3시간'],
    [25 * 86_400_000, '25일'],
    [90_000, '1분'],
  ])('%s ms are "%s"', (ms, text) => expect(amountText(ms, KO)).toBe(text))

  test('an instant has its date, its time and its zone', () => {
    expect(timeText(new Date('2026-12-12T04:05:00Z'), KO)).toBe('2026년 12월 12일 04:05 UTC')
  })
})
