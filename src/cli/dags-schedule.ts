import { openDatabases, type Setup, setUp } from '../app.ts'
import { TminusError, UsageError } from '../errors.ts'
import { setPaused } from '../operations/pause.ts'
import { openTimetable } from '../scheduler/timetable.ts'
import type { ListOptions } from './dags.ts'
import { findDag } from './find-dag.ts'
import { instant, print, printJson, table } from './table.ts'
import { withMetadata } from './with-metadata.ts'

/** `dags pause <dag>`, `dags unpause <dag>`: its scheduled runs only; nothing fires by itself on unpause. */
export async function dagsPause(dagId: string, paused: boolean): Promise<number> {
  await withMetadata(async (metadata, { loaded, clock }) => {
    const dag = findDag(loaded, dagId)
    await setPaused(metadata, dag.id, paused, clock.now())
    if (paused) print(`${dag.id} is paused: it gets no scheduled runs; by hand it still runs`)
    else if (dag.schedule === null) print(`${dag.id} is not paused; it has no schedule`)
    else
      print(
        `${dag.id} is not paused; its next tick is ${instant(ticks(dag.schedule, dag.timezone, clock.now(), 1)[0] ?? null)}`,
      )
  })
  return 0
}

/** `dags next [dag]`: the next ticks of one dag, or the next of each. */
export async function dagsNext(
  dagId: string | undefined,
  { output, limit }: ListOptions & { limit?: string },
): Promise<number> {
  if (limit !== undefined && !/^[1-9]\d{0,2}$/.test(limit))
    throw new UsageError('--limit must be a whole number from 1 to 999')
  const setup = await setUp({ wanted: () => false, logTo: process.stderr })
  const chosen = dagId === undefined ? [...setup.loaded.dags.values()] : [findDag(setup.loaded, dagId)]
  const paused = await pausedDags(setup)
  const count = Number(limit ?? (dagId === undefined ? 1 : 5))
  const dags = chosen.map(({ id, schedule, timezone }) => ({
    dag_id: id,
    schedule,
    timezone,
    is_paused: paused.has(id),
    next: schedule === null || paused.has(id) ? [] : ticks(schedule, timezone, setup.clock.now(), count),
  }))
  if (output === 'json') printJson(dags)
  else print(table(['dag_id', 'next', 'in its zone'], dags.flatMap(rowsOf)))
  return 0
}

function rowsOf(dag: {
  dag_id: string
  schedule: string | null
  timezone: string
  is_paused: boolean
  next: Date[]
}): string[][] {
  if (dag.schedule === null) return [[dag.dag_id, 'by hand']]
  if (dag.is_paused) return [[dag.dag_id, 'paused']]
  const { format } = new Intl.DateTimeFormat('sv-SE', {
    dateStyle: 'short',
    timeStyle: 'medium',
    timeZone: dag.timezone,
  })
  return dag.next.map((date) => [dag.dag_id, instant(date), `${format(date)} ${dag.timezone}`])
}

function ticks(schedule: string, timezone: string, after: Date, count: number): Date[] {
  const timetable = openTimetable(schedule, timezone)
  const found: Date[] = []
  for (
    let at = timetable.next(after.getTime());
    at < Number.POSITIVE_INFINITY && found.length < count;
    at = timetable.next(at)
  )
    found.push(new Date(at))
  return found
}

/** Without a database, or tables in it, nothing is. */
async function pausedDags(setup: Setup): Promise<Set<string>> {
  try {
    const { metadata, close } = await openDatabases(setup, { create: false })
    const paused = metadata.query<{ dag_id: string }>('select dag_id from metadata.dag where is_paused').finally(close)
    return new Set((await paused).rows.map(({ dag_id }) => dag_id))
  } catch (error) {
    if (error instanceof TminusError && ['embedded_missing', 'not_migrated'].includes(error.code)) return new Set()
    throw error
  }
}
