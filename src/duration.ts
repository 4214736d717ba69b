import { UsageError } from './errors.ts'

/** `'500ms' '30s' '5m' '1h' '2d'`, or a number of milliseconds. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** The milliseconds of a duration. Throws UsageError unless the duration is finite and not negative. */
export function milliseconds(duration: Duration | string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(String(duration)) ?? []
  const ms = typeof duration === 'number' ? duration : Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS]
  if (Number.isFinite(ms) && ms >= 0) return ms
  throw new UsageError(`'${duration}' is not a duration; write '500ms', '30s', '5m', '1h' or milliseconds`)
}

export function isDuration(value: unknown): value is Duration {
  try {
    milliseconds(value as Duration)
    return true
  } catch {
    return false
  }
}

/** `'90m'`, `'2d'`: whole seconds in the largest unit that needs no fraction. */
export function shortDuration(ms: number): Duration {
  const unit = (['d', 'h', 'm', 's'] as const).find((one) => ms % UNIT_MS[one] === 0) ?? 'ms'
  return `${ms / UNIT_MS[unit]}${unit}`
}

/** How long a run or task took: as `humanDuration`, but with the seconds up to an hour, such as `2 min 54 s`. */
export function preciseDuration(ms: number): string {
  const s = Math.round(ms / 1_000)
  if (s < 100 || s >= 3_600) return humanDuration(ms)
  return s % 60 === 0 ? `${s / 60} min` : `${Math.floor(s / 60)} min ${s % 60} s`
}

/** A duration in words: `4 ms`, `0.4 s`, `12 s`, `3 min`, `2 h 5 min`, `3 d`. */
export function humanDuration(ms: number): string {
  if (ms < 100) return `${Math.round(ms)} ms`
  const s = ms / 1_000
  if (s < 10) return `${(Math.round(s * 10) / 10).toString()} s`
  if (s < 99.5) return `${Math.round(s)} s`
  const minutes = Math.round(s / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return `${Math.round(hours / 24)} d`
}
