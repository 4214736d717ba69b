import { humanBytes } from '../db/text.ts'

/** Characters read beyond those that are shown, so that a secret at the cut is known whole. Longer ones are not. */
export const MARGIN = 4_000

/** Characters that a page shows of a text: in a list, by itself, as a block; those that the API gives of reasons and stacks. */
export const SHOWN = { listed: 300, sentence: 600, reason: 2_000, block: 8_000, stacks: 50_000 }

/**
 * The beginning of a text that may hold secrets: they are taken out before it is cut, and what a secret may begin in is
 * left out. The text may have been cut in the statement already, at `most + MARGIN` characters or more.
 *
 * @param bytes of the whole text, to say how much is left out; needed where the text was cut already
 */
export function beginning(text: string, most: number, scrub: (text: string) => string, bytes?: number): string {
  const isWhole = text.length < most + MARGIN
  const scrubbed = scrub(text.slice(0, most + MARGIN))
  if (isWhole && scrubbed.length <= most) return scrubbed
  const kept = scrubbed.slice(0, isWhole ? most : Math.max(0, Math.min(most, scrubbed.length - MARGIN)))
  const whole = bytes ?? (isWhole ? Buffer.byteLength(scrubbed) : undefined)
  const more = whole === undefined ? '' : ` ${humanBytes(Math.max(0, whole - Buffer.byteLength(kept)))} more`
  return `${kept.toWellFormed()}…${more}`
}
