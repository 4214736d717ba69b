/**
 * Makes external text safe to show on a terminal, a page, Discord or in a calendar. Stored text stays unchanged.
 *
 * Control characters (escape sequences, NUL, backspace) become U+FFFD. Line breaks other than \n become a space.
 * Invisible characters that change the visible text are removed: direction overrides, zero-width characters, tags.
 * Characters that an emoji or a script needs are kept: U+FE0F after a symbol, a joiner between emoji or in Arabic and
 * Indic.
 */
export function visibleText(text: string): string {
  if (!SUSPECT.test(text)) return text
  return text
    .toWellFormed()
    .replaceAll('\r\n', '\n')
    .replaceAll(/[\r\v\f\u0085\u2028\u2029]/g, ' ')
    .replaceAll(CONTROL, '\uFFFD')
    .replaceAll(INVISIBLE, '')
}

/** Control characters, line separators, lone surrogates and invisible characters. */
const SUSPECT = /[^\P{Cc}\n\t]|[\u2028\u2029\uFFF9-\uFFFB\p{DI}\p{Cs}]/u

const CONTROL = /[^\P{Cc}\n\t]/gu

const JOINED =
  '\\p{scx=Arab}\\p{scx=Syrc}\\p{scx=Deva}\\p{scx=Beng}\\p{scx=Guru}\\p{scx=Gujr}\\p{scx=Orya}\\p{scx=Taml}\\p{scx=Telu}\\p{scx=Knda}\\p{scx=Mlym}\\p{scx=Sinh}\\p{scx=Khmr}\\p{scx=Mong}'

/** Includes https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point and interlinear annotation marks. */
const INVISIBLE = new RegExp(
  [
    '(?!(?<=\\p{Emoji})[\\uFE0E\\uFE0F])',
    '(?!(?<=[\\p{ExtPict}\\p{EMod}\\uFE0F])\\u200D(?=\\p{ExtPict}))',
    `(?!(?<=(?=\\p{L}|\\p{M})[${JOINED}])[\\u200C\\u200D])`,
    '[\\p{DI}\\uFFF9-\\uFFFB]',
  ].join(''),
  'gu',
)

/**
 * Writes these characters in a JSON text as \uXXXX. Programs still parse the same value, and a terminal shows the text
 * safely.
 */
export function visibleJson(json: string): string {
  return json.replaceAll(/[\u007F-\u009F\u2028\u2029\uFFF9-\uFFFB\p{DI}]/gu, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
}
