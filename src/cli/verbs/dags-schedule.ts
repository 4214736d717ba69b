import type { Setup } from '../../app.ts'
import type { Dag } from '../../dag/dag.ts'
import { openDatabases } from '../../databases.ts'
import { afterWords } from '../../operations/after-words.ts'
import { type NextRuns, nextRuns, noTickWords, readNextRuns } from '../../operations/next-runs.ts'
import { setPaused } from '../../operations/pause.ts'
import { findDag } from '../find-dag.ts'
import { parseCount } from '../parse-option.ts'
import { answer, instant, say, table } from '../terminal/table.ts'
import { hasNoTables, setUpCommand, withMetadata } from '../with-metadata.ts'
import type { ListOptions } from './dags.ts'

/** `dags pause <dag>`, `dags unpause <dag>`: affects scheduled runs only. Unpausing does not run missed ticks. */
export async function dagsPause(dagId: string, paused: boolean): Promise<number> {
  await withMetadata(async (metadata, { loaded, clock }) => {
    const dag = findDag(loaded, dagId)
    await setPaused(metadata, dag.id, paused, clock.now())
    const also = dag.after ? ', and none after other dags' : ''
    if (paused) say(`${dag.id} is paused: it gets no scheduled runs${also}; manual runs still work`)
    else if (dag.schedule === null) say(`${dag.id} is not paused; ${unscheduled(dag)}`)
    else {
      const [next] = (await readNextRuns(metadata, [dag], clock.now())).get(dag.id)?.next ?? []
      say(
        `${dag.id} is not paused; ${next ? `its next tick is ${instant(next)}` : `its next run: ${noTickWords(dag)}`}`,
      )
    }
  })
  return 0
}

function unscheduled(dag: Dag): string {
  const after = afterWords(dag)
  return after === undefined ? 'it has no schedule' : `it runs ${after}, counted from now`
}

/** `dags next [dag]`: the next ticks of one dag, or the next tick of each dag. */
export async function dagsNext(
  dagId: string | undefined,
  { output, limit }: ListOptions & { limit?: string },
): Promise<number> {
  const count = limit === undefined ? undefined : parseCount('--limit', limit, 999)
  const setup = await setUpCommand()
  const chosen = dagId === undefined ? [...setup.loaded.dags.values()] : [findDag(setup.loaded, dagId)]
  const found = await nextOf(setup, chosen, count ?? (dagId === undefined ? 1 : 5))
  const dags = chosen.map((dag) => {
    const { paused = false, next = [] } = found.get(dag.id) ?? {}
    return { dag_id: dag.id, schedule: dag.schedule, timezone: dag.timezone, is_paused: paused, next }
  })
  const now = setup.clock.now()
  const rows = dags.flatMap((listed) => rowsOf(listed, setup.loaded.dags.get(listed.dag_id), now))
  return answer(output, dags, () => table(['dag_id', 'next', 'in its zone'], rows))
}

interface Listed {
  dag_id: string
  schedule: string | null
  timezone: string
  is_paused: boolean
  next: Date[]
}

function rowsOf(dag: Listed, loaded: Dag | undefined, now: Date): string[][] {
  const after = loaded && afterWords(loaded)
  if (dag.schedule === null && after === undefined) return [[dag.dag_id, 'manual runs only']]
  if (dag.is_paused) return [[dag.dag_id, 'paused']]
  if (dag.schedule === null) return [[dag.dag_id, `${after}`]]
  if (dag.next.length === 0) return [[dag.dag_id, noTickWords(dag)]]
  const { format } = new Intl.DateTimeFormat('sv-SE', {
    dateStyle: 'short',
    timeStyle: 'medium',
    timeZone: dag.timezone,
  })
  return dag.next.map((date) => {
    const overdue = date > now ? '' : ', overdue'
    return [dag.dag_id, instant(date) + overdue, `${format(date)} ${dag.timezone}`]
  })
}

/** Without a database, or without tables in it, no dag has run yet and none is paused. */
async function nextOf(setup: Setup, dags: readonly Dag[], count: number): Promise<Map<string, NextRuns>> {
  const now = setup.clock.now()
  try {
    const { metadata, close } = await openDatabases(setup, { create: false })
    return await readNextRuns(metadata, dags, now, count).finally(close)
  } catch (error) {
    if (!hasNoTables(error)) throw error
    return new Map(dags.map((dag) => [dag.id, nextRuns(dag, undefined, now, count)]))
  }
}
