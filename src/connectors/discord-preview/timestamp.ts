/**
 * `<t:SECONDS:STYLE>` as a reader sees it: in English, with its zone.
 *
 * @param timeZone IANA name; default: the zone of the process
 */
export function timestampText(at: Date, style: string, now: Date, timeZone?: string): string {
  if (Number.isNaN(at.getTime())) return 'an unknown time'
  if (style === 'R') return relative(at, now)
  const parts = partsOf(at, timeZone)
  const date = `${parts.day} ${parts.month} ${parts.year}`
  const time = `${parts.hour}:${parts.minute}`
  const zoned = `${time} ${parts.timeZoneName}`
  switch (style) {
    case 't':
      return zoned
    case 'T':
      return `${time}:${parts.second} ${parts.timeZoneName}`
    case 'd':
    case 'D':
      return date
    case 'F':
      return `${parts.weekday} ${date} ${zoned}`
    default:
      return `${date} ${zoned}`
  }
}

type Part = Intl.DateTimeFormatPartTypes

function partsOf(at: Date, timeZone: string | undefined): Partial<Record<Part, string>> {
  const format = new Intl.DateTimeFormat('en-GB', {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
    ...(timeZone !== undefined && { timeZone }),
  })
  return Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]))
}

/** Each unit, its length in seconds, and the rounded number of seconds below which it is used. */
const units = [
  ['second', 1, 60],
  ['minute', 60, 3600],
  ['hour', 3600, 86_400],
  ['day', 86_400, 30 * 86_400],
  ['month', 30.44 * 86_400, 365 * 86_400],
  ['year', 365.25 * 86_400, Number.POSITIVE_INFINITY],
] as const

function relative(at: Date, now: Date): string {
  const seconds = (at.getTime() - now.getTime()) / 1000
  const unit = units.find(([, size, below]) => Math.round(Math.abs(seconds) / size) * size < below)
  const [name, size] = unit ?? units[5]
  return new Intl.RelativeTimeFormat('en').format(Math.round(seconds / size), name)
}
