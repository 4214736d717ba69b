import { z } from 'zod'

const instant = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })], {
    error: "must be a date or an instant such as '2024-01-31' or '2024-01-31T12:00:00Z'",
  })
  .transform((text) => new Date(text))

/** The span of T-0 (`net`) of the launches to load. Both ends are inclusive. A date means its first instant in UTC. */
export const Span = z
  .object({
    /** Default: the beginning. */
    from: instant.optional(),
    /** Default: now. */
    to: instant.optional(),
  })
  .refine(({ from, to }) => !(from && to && from >= to), { error: 'must be before to', path: ['from'] })
export type Span = z.output<typeof Span>

/** `2024-01-01T00:00:00.000Z/..` */
export function spanName({ from, to }: Span): string {
  return `${from?.toISOString() ?? '..'}/${to?.toISOString() ?? '..'}`
}
