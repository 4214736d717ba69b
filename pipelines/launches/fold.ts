/** Letters that Unicode does not decompose into a plain letter and an accent. */
const LETTERS: Readonly<Record<string, string>> = {
  ...{ ß: 'ss', æ: 'ae', œ: 'oe', þ: 'th' },
  ...{ ø: 'o', ł: 'l', đ: 'd', ð: 'd', ħ: 'h', ı: 'i', ŧ: 't', ŋ: 'n', ς: 'σ' },
}
const ANY_LETTER = new RegExp(`[${Object.keys(LETTERS).join('')}]`, 'g')

/**
 * The text in lower case and without accents, as searches and filters compare it: "kineis" finds "Kinéis". Composed and
 * decomposed letters become equal. The SQL function `launch_fold` does the same.
 */
export function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/[\u0300-\u036F]/g, '')
    .toLowerCase()
    .replace(ANY_LETTER, (letter) => LETTERS[letter] ?? letter)
    .normalize('NFC')
}
