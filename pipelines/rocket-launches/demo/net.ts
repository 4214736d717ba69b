/**
 * T-0 of a sample launch, relative to now, so that the samples never become outdated. For the precisions second, minute
 * and hour, `ahead` is `hours:minutes[:seconds]` (negative: in the past). For other precisions it is a count of days or
 * periods.
 */
export type SampleNet =
  | { precision: 'second' | 'minute' | 'hour'; ahead: string }
  | { precision: 'day' | keyof typeof PERIODS; ahead: number }

/** Length in months, and the API's precision id of the first such period of a year. */
const PERIODS = {
  month: { months: 1, firstId: 7, ids: 1 },
  quarter: { months: 3, firstId: 8, ids: 4 },
  half: { months: 6, firstId: 12, ids: 2 },
  year: { months: 12, firstId: 14, ids: 1 },
} as const

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** T-0 and the API's id of its precision. If only the period is known, `at` is its last midnight in UTC. */
export function resolveNet(net: SampleNet, now: Date): { at: Date; precisionId: number } {
  switch (net.precision) {
    case 'second':
      return { at: clockAhead(net.ahead, now), precisionId: 0 }
    case 'minute':
      return { at: clockAhead(net.ahead, now), precisionId: 1 }
    case 'hour':
      return { at: floor(clockAhead(net.ahead, now), HOUR), precisionId: 2 }
    case 'day':
      return { at: floor(new Date(now.getTime() + net.ahead * DAY), DAY), precisionId: 5 }
    default:
      return periodAhead(PERIODS[net.precision], net.ahead, now)
  }
}

function clockAhead(ahead: string, now: Date): Date {
  const [hours = 0, minutes = 0, seconds = 0] = ahead.replace('-', '').split(':').map(Number)
  const ms = hours * HOUR + minutes * MINUTE + seconds * 1000
  return new Date(floor(now, MINUTE).getTime() + (ahead.startsWith('-') ? -ms : ms))
}

function periodAhead({ months, firstId, ids }: (typeof PERIODS)[keyof typeof PERIODS], ahead: number, now: Date) {
  const index = Math.floor(now.getUTCMonth() / months) + ahead
  const at = new Date(Date.UTC(now.getUTCFullYear(), (index + 1) * months, 0))
  return { at, precisionId: firstId + (index % ids) }
}

function floor(date: Date, unit: number): Date {
  return new Date(Math.floor(date.getTime() / unit) * unit)
}
