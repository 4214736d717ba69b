const [MINUTE, HOUR, DAY, MONTH, QUARTER_1, QUARTER_3, HALF_1, YEAR] = [1, 2, 5, 7, 8, 10, 12, 14] as const
const TO_BE_DETERMINED = 2

/** The fields `tbddate` and `tbdtime` of 2.0.0: whether date and time are still to be determined. */
export interface Undetermined {
  date: boolean
  time: boolean
}

/**
 * The precision of a launch that has none (2.0.0; 2.2.0 until 2022): the finest one that is certainly true, so that a
 * coarse date is never shown as a precise one.
 *
 * Recordings support this. Each launch known to the day or coarser is at midnight and "to be determined" (263 of 263).
 * Of 435 finer ones two are at midnight and none is "to be determined". A period's placeholder is its last day: the
 * end of June may mean June, the second quarter or the first half.
 *
 * `undetermined.date` means a month or coarser; `undetermined.time` alone means an hour at best. Launch Library did
 * not always maintain them: in 2023 some placeholders had both false.
 */
export function derivedPrecision(net: Date, statusId: number, undetermined?: Undetermined): number {
  const isMidnight = net.getTime() % 86_400_000 === 0
  const { date, time } = undetermined ?? { date: false, time: false }
  if (isMidnight && (date || time || statusId === TO_BE_DETERMINED))
    return longestPeriodEnding(net) ?? (date ? MONTH : DAY)
  if (date) return MONTH
  return time || undetermined === undefined ? HOUR : MINUTE
}

/** The longest period whose last day this is. */
function longestPeriodEnding(net: Date): number | undefined {
  const next = new Date(net.getTime() + 86_400_000)
  if (next.getUTCDate() !== 1) return undefined
  return { 2: QUARTER_1, 5: HALF_1, 8: QUARTER_3, 11: YEAR }[net.getUTCMonth()] ?? MONTH
}
