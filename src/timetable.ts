import { openCron, type Timetable } from './cron.ts'
import { milliseconds } from './duration.ts'

export const ALIASES: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@quarterly': '0 0 1 */3 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}

/** The cron expression of an alias such as `@daily`; any other schedule as it is. */
export function cronOf(schedule: string): string {
  return ALIASES[schedule] ?? schedule
}

/** The schedule of a dag whose next run starts when the last one has ended. It has no ticks that are known before. */
export const CONTINUOUS = '@continuous'
/** Separates the cron expressions and dates of a schedule that has several. */
export const AND = '; '

const NEVER = Number.POSITIVE_INFINITY

const timetables = new WeakMap<object, Timetable>()

/** The ticks of a dag. A dag that only runs when triggered, or after its last run, has none. */
export function timetableOf(dag: { schedule: string | null; timezone: string }): Timetable {
  const timetable = timetables.get(dag) ?? openTimetable(dag.schedule, dag.timezone)
  timetables.set(dag, timetable)
  return timetable
}

/** The first tick of a dag after an instant; undefined if there is none. */
export function nextTick(dag: { schedule: string | null; timezone: string }, after: Date): Date | undefined {
  const next = timetableOf(dag).next(after.getTime())
  return Number.isFinite(next) ? new Date(next) : undefined
}

/** Reads a schedule as `checkSchedule` returns it. Equal ticks of its parts are one tick. */
export function openTimetable(schedule: string | null, timezone: string): Timetable {
  const lines = schedule === null || schedule === CONTINUOUS ? [] : schedule.split(AND)
  const parts = lines.map((line) => openPart(line, timezone))
  return {
    next: (after) => Math.min(...parts.map((part) => part.next(after))),
    previous: (tick) => Math.max(...parts.map((part) => part.previous(tick))),
  }
}

function openPart(part: string, timezone: string): Timetable {
  const [, every, start = part] = /^every (\S+) from (\S+)$/.exec(part) ?? []
  if (every === undefined && !/^\d{4}-/.test(part)) return openCron(cronOf(part).trim(), timezone)
  const [first, everyMs] = [Date.parse(start), milliseconds(every ?? 0)]
  if (everyMs === 0)
    return { next: (at) => (at < first ? first : NEVER), previous: (at) => (at > first ? first : -NEVER) }
  const countAt = (at: number) => (at - first) / everyMs
  const tick = (count: number) => first + count * everyMs
  return { next: (at) => tick(Math.floor(countAt(at)) + 1), previous: (at) => tick(Math.ceil(countAt(at)) - 1) }
}
