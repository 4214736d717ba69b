/**
 * The instant that the text of a date-time field means, in UTC; undefined for other text. A browser
 * sends `2026-01-31T17:10`, with seconds if the reader typed them. A year outside of 1900 to 9999 is no instant, and
 * neither is a day that does not exist.
 */
export function instantOf(text: string): Date | undefined {
  if (!/^(19|[2-9]\d)\d\d-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z?$/.test(text)) return undefined
  const at = new Date(text.endsWith('Z') ? text : `${text}Z`)
  // JavaScript reads 31 February as 3 March, and 24:00 as the next day.
  return Number.isNaN(at.getTime()) || !at.toISOString().startsWith(text.slice(0, 10)) ? undefined : at
}
