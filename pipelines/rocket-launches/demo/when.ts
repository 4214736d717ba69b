/** Moments of the sample launches: places on a calendar that starts now, so that they never grow old. */
export type When = (now: Date) => { net: Date; precision: number }

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** So far from now, to the second (precision 0). Negative: ago. */
export function second(hours: number, minutes: number, seconds: number): When {
  return (now) => ({ net: after(now, hours, minutes, seconds), precision: 0 })
}

/** So far from now, to the minute (precision 1). Negative: ago. */
export function minute(hours: number, minutes: number): When {
  return (now) => ({ net: after(now, hours, minutes, 0), precision: 1 })
}

/** The full hour so many hours from now (precision 2). */
export function hour(hours: number): When {
  return (now) => ({ net: floor(after(now, hours, 0, 0), hourMs), precision: 2 })
}

/** The day so many days from now (precision 5): `net` is its midnight. */
export function day(days: number): When {
  return (now) => ({ net: floor(after(now, days * 24, 0, 0), 24 * hourMs), precision: 5 })
}

/** A month from now on (precision 7), as everything coarser: `net` is a placeholder, the last day of the period. */
export function month(months: number): When {
  return (now) => ({ net: lastDay(now.getUTCFullYear(), now.getUTCMonth() + months), precision: 7 })
}

/** A quarter from now on: precision 8 to 11 for the first to the fourth of its year. */
export function quarter(quarters: number): When {
  return (now) => {
    const index = Math.floor(now.getUTCMonth() / 3) + quarters
    return { net: lastDay(now.getUTCFullYear(), index * 3 + 2), precision: 8 + (index % 4) }
  }
}

/** Half a year from now on: precision 12 or 13. */
export function half(halves: number): When {
  return (now) => {
    const index = Math.floor(now.getUTCMonth() / 6) + halves
    return { net: lastDay(now.getUTCFullYear(), index * 6 + 5), precision: 12 + (index % 2) }
  }
}

/** A year from now on (precision 14). */
export function year(years: number): When {
  return (now) => ({ net: lastDay(now.getUTCFullYear() + years, 11), precision: 14 })
}

function after(now: Date, hours: number, minutes: number, seconds: number): Date {
  return new Date(floor(now, minuteMs).getTime() + hours * hourMs + minutes * minuteMs + seconds * 1000)
}

function floor(date: Date, unit: number): Date {
  return new Date(Math.floor(date.getTime() / unit) * unit)
}

/** Midnight of a month's last day, in UTC; months past December run into the next year. */
function lastDay(year: number, month: number): Date {
  return new Date(Date.UTC(year, month + 1, 0))
}
