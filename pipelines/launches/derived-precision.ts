const [MINUTE, HOUR, DAY, MONTH, QUARTER_1, QUARTER_3, HALF_1, YEAR] = [1, 2, 5, 7, 8, 10, 12, 14] as const
const TO_BE_DETERMINED = 2

/** The fields `tbddate` and `tbdtime` of 2.0.0: whether date and time are still to be determined. */
export interface Undetermined {
  date: boolean
  time: boolean
}

/**
 * Derives the precision of a launch for which the API gives none (2.0.0; 2.2.0 until 2022). It returns the finest
 * precision that is certain. So a coarse date is never shown as a precise time.
 *
 * The rules come from recorded answers. All 263 launches without a known hour were at midnight and "to be determined".
 * Of 435 launches with a known hour, two were at midnight and none was "to be determined". The placeholder of a period
 * is its last day: the end of June may mean June, the second quarter or the first half of the year.
 *
 * If `undetermined.date` is true, only the month or a longer period is known. If only `undetermined.time` is true, the
 * time is known to the hour at best. In 2023 both fields were false for some placeholders, so the status is checked
 * too.
 */
export function derivedPrecision(net: Date, statusId: number, undetermined?: Undetermined): number {
  const isMidnight = net.getTime() % 86_400_000 === 0
  const { date, time } = undetermined ?? { date: false, time: false }
  if (isMidnight && (date || time || statusId === TO_BE_DETERMINED))
    return longestPeriodEnding(net) ?? (date ? MONTH : DAY)
  if (date) return MONTH
  return time || undetermined === undefined ? HOUR : MINUTE
}

/** The precision of the longest period that ends on this day. */
function longestPeriodEnding(net: Date): number | undefined {
  const next = new Date(net.getTime() + 86_400_000)
  if (next.getUTCDate() !== 1) return undefined
  return { 2: QUARTER_1, 5: HALF_1, 8: QUARTER_3, 11: YEAR }[net.getUTCMonth()] ?? MONTH
}
