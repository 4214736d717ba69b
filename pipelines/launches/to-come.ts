import { FLOWN, PRECISE } from './launch.ts'

/** Conditions on a row of `rocket_launches`. `now` is the SQL of an instant, such as `$1`. */

const IS_FLOWN = `(status_id = any (array[${FLOWN}])) is true`

/** Not flown, and the period that `net` stands for is not over. A launch that left the list may still be to come. */
export function isToCome(now: string): string {
  return `((period_end > ${now} or net = ${now}) and not ${IS_FLOWN})`
}

export const IS_PRECISE = `coalesce(net_precision = any (array[${PRECISE}]), false)`

/** The next launch first: one with a precise time before every placeholder, whose place in its period means nothing. */
export const NEXT_FIRST = `${IS_PRECISE} desc, period_end, net_precision, launch_id`
