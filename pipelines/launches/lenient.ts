import { visibleText } from 'tminus'
import { webAddress } from 'tminus/connectors/discord'
import { z } from 'zod'
import { singleLine } from './launch-facts.ts'

/** Parts of schemas that never fail: a value of another form is unknown. Their output is null, or an empty list. */

/** One line of text. */
export const text = z.string().transform(singleLine).nullable().catch(null)

/** Text that may have several paragraphs. */
export const prose = z
  .string()
  .transform((value) => visibleText(value).trim() || null)
  .nullable()
  .catch(null)

export const flag = z.boolean().nullable().catch(null)

/** A count: a whole number from 0. */
export const count = z.int().nonnegative().nullable().catch(null)

/** A quantity above 0, also as text: 2.2.0 has some as text. */
export const quantity = z.coerce.number().positive().max(1e12).nullable().catch(null)

export const instant = z.iso
  .datetime({ offset: true })
  .transform((value) => new Date(value))
  .nullable()
  .catch(null)

/** An http(s) address of at most 2,048 characters. */
export const address = z
  .string()
  .transform((value) => webAddress(value) ?? null)
  .nullable()
  .catch(null)

export const part = <Shape extends z.ZodRawShape>(shape: Shape) => {
  const schema = z.object(shape)
  return schema.catch(() => schema.parse({}))
}

/** Longer than each list of a real launch. A page reads its lists on every view, so it reads no more elements. */
const MOST = 500

/** A list, or its first elements. */
export const someOf = <Item extends z.ZodType>(item: Item) =>
  z
    .array(z.unknown())
    .transform((list) => list.slice(0, MOST))
    .pipe(z.array(item))

export const listOf = <Item extends z.ZodType>(item: Item) => someOf(item).catch([])

/** An ISO 8601 duration of days, hours, minutes and seconds (`-PT38M`, `P27DT8H26M39S`), in ms. */
export const duration = z
  .string()
  .transform((value) => {
    const found = /^(-)?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(value)
    if (found === null) return null
    const [days = 0, hours = 0, minutes = 0, seconds = 0] = found.slice(2).map((part) => Number(part ?? 0))
    const ms = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000
    return Number.isSafeInteger(Math.round(ms)) ? Math.round(found[1] ? -ms : ms) : null
  })
  .nullable()
  .catch(null)
