import type { Dag } from '../dag/dag.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { readSchedules, type ScheduleState } from '../metadata/schedules.ts'
import { due, sinceOf } from '../scheduler/due.ts'
import { openTimetable } from '../scheduler/timetable.ts'

/** What a dag's schedule comes to; both empty where it has none. */
export interface NextRuns {
  paused: boolean
  /**
   * Logical dates, earliest first; none while it is paused. One that is not after `now` is due and not made yet: the
   * scheduler is catching up, or none is alive to make it.
   */
  next: Date[]
}

/** The next `count` scheduled runs of each of these dags, by their ids. */
export async function readNextRuns(
  db: Metadata,
  dags: readonly Dag[],
  now: Date,
  count = 1,
): Promise<Map<string, NextRuns>> {
  const scheduled = dags.filter(({ schedule }) => schedule !== null).map(({ id }) => id)
  const states = await readSchedules(db, scheduled, now)
  return new Map(dags.map((dag) => [dag.id, nextRuns(dag, states.get(dag.id), now, count)]))
}

/**
 * What a scheduler that began to look at `now` would run, and then wait for: ticks that are missed and not made up for
 * are not among it, nor is what lies before the start date.
 *
 * @param state undefined where no database tells it: then nothing ran yet, and nothing is paused
 */
export function nextRuns(dag: Dag, state: ScheduleState | undefined, now: Date, count: number): NextRuns {
  const paused = state?.paused ?? false
  if (dag.schedule === null || paused) return { paused, next: [] }
  const timetable = openTimetable(dag.schedule, dag.timezone)
  const since = state?.since ?? sinceOf(dag, now)
  const history = { last: state?.last?.getTime(), since: since.getTime(), startDate: dag.startDate?.getTime() }
  const { ticks, next } = due(timetable, dag.catchup, { ...history, seen: undefined }, now.getTime(), count)
  const found = ticks.map(({ logicalDate }) => logicalDate)
  for (let at = next; Number.isFinite(at) && found.length < count; at = timetable.next(at)) found.push(new Date(at))
  return { paused, next: found }
}
