import { type CommandHost, readInstant, UsageError } from 'tminus'

/** Reads `--limit`. */
export function count(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new UsageError('--limit must be a whole number from 1 to 999999')
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** Reads `--since`: `30m`, `12h`, `7d` or `2w` before now, or what `instant` accepts. */
export function ago(host: Pick<CommandHost, 'now'>): (text: string) => Date {
  return (text) => {
    const [, amount, unit = ''] = /^(\d{1,6})([mhdw])$/.exec(text) ?? []
    if (amount === undefined) return instant('--since', '12h, 7d, ')(text)
    // Not before 1970: Postgres refuses dates before 4713 BC.
    return new Date(Math.max(0, host.now().getTime() - Number(amount) * (UNIT_MS[unit] ?? 0)))
  }
}

/** Reads a date (its start in UTC) or an instant with a zone. */
export function instant(name: string, others = ''): (text: string) => Date {
  return (text) => {
    const date = readInstant(text)
    if (date !== undefined) return date
    throw new UsageError(
      `${name} must be ${others}a date such as 2026-01-31, or an instant such as 2026-01-31T12:00:00Z`,
    )
  }
}
