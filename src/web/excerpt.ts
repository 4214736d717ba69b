import { humanBytes } from '../db/text.ts'

/** T-minus reads this many more characters than it shows, so that it finds a secret of up to this length at the cut. */
export const MARGIN = 4_000

/**
 * The maximum number of characters shown: on a page for a text in a list, sentence or block, and in the API for a
 * reason or an error.
 */
export const SHOWN = { listed: 300, sentence: 600, reason: 2_000, block: 8_000, stacks: 50_000 }

/**
 * The beginning of a text that may contain secrets. Secrets are removed before the cut. The last MARGIN characters are
 * dropped, because a secret may begin there. The SQL statement may have cut the text at `most + MARGIN` characters or
 * more.
 *
 * @param bytes size of the whole text, to show how much is missing; needed if the text was cut before
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
