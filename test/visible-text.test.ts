import { PassThrough } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import { csvRecord } from '../pipelines/rocket-launches/verbs/csv.ts'
import { wrapped } from '../src/cli/terminal/table.ts'
import { escapeMarkdown, fitMessage } from '../src/connectors/discord.ts'
import { openLog } from '../src/log.ts'
import { visibleJson, visibleText } from '../src/visible-text.ts'

/** Invisible characters that change the visible text, each with its replacement. */
const UNSEEN: [name: string, text: string, instead: string][] = [
  ['overrides of direction', '\u202A\u202B\u202C\u202D\u202E', ''],
  ['isolates', '\u2066\u2067\u2068\u2069', ''],
  ['marks of direction', '\u200E\u200F\u061C', ''],
  ['zero-width characters', '\u200B\u200C\u200D\u2060\uFEFF', ''],
  ['other characters of no width', '\u00AD\u034F\u115F\u1160\u17B4\u180B\u180E\u2061\u206A\u3164\uFFA0', ''],
  ['tags', '\u{E0001}\u{E0041}\u{E007F}', ''],
  ['selectors of variants', '\uFE00\uFE0F\u{E0100}', ''],
  ['marks of annotation', '\uFFF9\uFFFA\uFFFB', ''],
  ['separators of lines', '\u2028\u2029\u0085\v\f\r', '      '],
  ['control characters', '\u0000\u0007\b\u001b\u007f\u0080\u009b\u009f', '\uFFFD'.repeat(8)],
  ['halves of characters', '\uD800\uDC00'.slice(0, 1), '\uFFFD'],
]
const ALL = UNSEEN.map(([, text]) => text).join('')
const ANY =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the test searches for them
  /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u00AD\u061C\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB\u{E0000}-\u{E0FFF}]/u

describe('external text made safe to show', () => {
  test.each(UNSEEN)('%s', (_name, text, instead) => {
    expect(visibleText(`Falcon${text} 9`)).toBe(`Falcon${instead} 9`)
  })

  test.each([
    ['Kinéis · 長征五号 · Союз', 'letters of every kind'],
    ['שָׁלוֹם عربى', 'scripts written from the right'],
    ['می‌خواهم क्‍ष ക്‍', 'joiners of scripts that need them'],
    ['👩‍🚀 👨🏽‍🚀 🏳️‍🌈 ❤️ 1️⃣ 🇩🇪', 'emoji of several parts'],
    ['a\tb\nc', 'tabs and line breaks'],
  ])('%s is kept: %s', (text) => {
    expect(visibleText(text)).toBe(text)
    expect(JSON.parse(visibleJson(JSON.stringify(text)))).toBe(text)
  })

  test('a line break of Windows is one line break', () => {
    expect(visibleText('a\r\nb')).toBe('a\nb')
  })

  test('JSON is safe to show, and its value is unchanged', () => {
    const json = visibleJson(JSON.stringify({ [ALL]: [ALL] }))
    expect(json).not.toMatch(ANY)
    expect(JSON.parse(json)).toEqual({ [ALL]: [ALL] })
  })
})

describe('the places that show it', () => {
  test('Discord: in every part of a message, with formatting that was hidden in it escaped', () => {
    const text = `a${ALL}b @\u200Beveryone`
    const sent = fitMessage({
      ...{ content: text, username: text },
      embeds: [
        {
          title: text,
          description: text,
          fields: [{ name: text, value: text }],
          footer: { text },
          author: { name: text },
        },
      ],
      components: [{ type: 1, components: [{ type: 2, style: 5, label: text, url: 'https://x.example/' }] }],
    })
    expect(JSON.stringify(sent).replaceAll('@\u200B', '@')).not.toMatch(ANY)
    expect(escapeMarkdown('~\u200B~a~\u202E~ |\u2060| @ever\u200Byone')).toBe('\\~~a\\~~ \\|| @\u200Beveryone')
  })

  test.each(['pretty', 'json'] as const)('the log, %s', (format) => {
    const to = new PassThrough()
    const log = openLog({ level: 'debug', format, scrub: (text) => text, to })
    log.warn({ reason: ALL, [ALL]: ALL, err: new Error(ALL) }, `name ${ALL}`)
    log.error({ err: new Error(`\u001b[2J${ALL}`) }, 'failed')
    const lines = String(to.read())
    expect(lines.replaceAll('\n', '')).not.toMatch(ANY)
    if (format === 'json') expect(JSON.parse(lines.split('\n')[0] ?? '')).toMatchObject({ msg: `name ${ALL}` })
  })

  test('the terminal', () => {
    const lines = wrapped(`Falcon\u202E9\u001b[2J${ALL}`)
    expect(stripVTControlCharacters(lines.join('')).replaceAll('\n', '')).not.toMatch(ANY)
  })

  test('a record of CSV, in which a formula may hide behind what is not seen', () => {
    expect(csvRecord(['\u200B=1+1', { a: '\u202E' }])).toBe(`'=1+1,"{""a"":""\\u202e""}"\r\n`)
  })
})
