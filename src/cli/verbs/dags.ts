import { type Setup, setUp } from '../../app.ts'
import { openDatabases } from '../../databases.ts'
import { messageOf } from '../../errors.ts'
import { readWaiting } from '../../maintenance/stays-queued.ts'
import { afterJson, startText } from '../../operations/after-words.ts'
import { listRuns } from '../../operations/list-runs.ts'
import { countsInWords, listStoredDags } from '../../operations/run-counts.ts'
import { findDag } from '../find-dag.ts'
import { parseCount } from '../parse-option.ts'
import { answer, instant, note, table, took } from '../terminal/table.ts'
import { hasNoTables, withMetadata } from '../with-metadata.ts'

export interface ListOptions {
  output: string
}

interface ListedDag {
  dag_id: string
  schedule: string | null
  /** The dags that it follows. */
  after: ReturnType<typeof afterJson>
  tasks: number
  description: string
  import_error: string | null
  /** True if the dag's code is in PIPELINES_DIR. */
  is_active: boolean
}

/** `dags list`: the dags in the pipelines folder, and the dags that only the database knows. */
export async function dagsList({ output }: ListOptions): Promise<number> {
  const setup = await setUp({ logTo: process.stderr })
  const { dags: loaded, importErrors } = setup.loaded
  const dags = [...loaded.values()].map((dag): ListedDag => {
    const { id, schedule, tasks, description } = dag
    const listed = { dag_id: id, schedule, after: afterJson(dag), tasks: tasks.size, description }
    return { ...listed, import_error: null, is_active: true }
  })
  const broken = importErrors.map(({ folder, message }): ListedDag => {
    return {
      dag_id: folder,
      schedule: null,
      after: null,
      tasks: 0,
      description: '',
      import_error: message,
      is_active: true,
    }
  })
  const gone = await goneDags(
    setup,
    [...dags, ...broken].map(({ dag_id }) => dag_id),
  )
  const all = [...dags, ...broken, ...gone].sort((a, b) => (a.dag_id < b.dag_id ? -1 : 1))
  const starts = new Map([...loaded].map(([id, dag]) => [id, startText(dag)]))
  answer(output, all, () =>
    table(
      ['dag_id', 'schedule', 'tasks', 'description'],
      all.map((dag) => [
        dag.dag_id,
        starts.get(dag.dag_id) ?? (dag.is_active ? 'manual runs only' : ''),
        dag.is_active ? String(dag.tasks) : '',
        dag.import_error === null ? dag.description : `import error: ${dag.import_error}`,
      ]),
    ),
  )
  return broken.length > 0 ? 1 : 0
}

/** Returns the dags that have runs but no folder any more. Prints a note and returns none if the database fails. */
async function goneDags(setup: Setup, here: readonly string[]): Promise<ListedDag[]> {
  try {
    const { metadata, close } = await openDatabases(setup, { create: false })
    const gone = await listStoredDags(metadata, [
      ...here,
      ...setup.loaded.importErrors.flatMap(({ dag }) => dag?.id ?? []),
    ]).finally(close)
    return gone.map(({ dag_id, unfinished }) => {
      const description = `not in PIPELINES_DIR any more${unfinished ? `; runs: ${countsInWords(unfinished)}` : ''}`
      return { dag_id, schedule: null, after: null, tasks: 0, description, import_error: null, is_active: false }
    })
  } catch (error) {
    if (!hasNoTables(error)) note(`Dags that only the database knows are not listed: ${setup.scrub(messageOf(error))}`)
    return []
  }
}

/** `dags runs <dag>`: newest first. */
export async function dagsRuns(dagId: string, { output, limit }: ListOptions & { limit: string }): Promise<number> {
  const most = parseCount('--limit', limit)
  const runs = await withMetadata(async (metadata, { loaded }) => {
    const found = await listRuns(metadata, dagId, most)
    // The runs of a dag can be read even after its folder is gone.
    if (found.length === 0) findDag(loaded, dagId)
    const waiting = await readWaiting(metadata, loaded.dags, found)
    return found.map((run) => ({ ...run, waiting_for: waiting(run) }))
  })
  const isWaiting = runs.some(({ waiting_for }) => waiting_for !== null)
  return answer(output, runs, () =>
    table(
      ['run_id', 'state', 'start', 'duration', ...(isWaiting ? ['waiting_for'] : [])],
      runs.map((run) => [run.run_id, run.state, instant(run.start_date), took(run), run.waiting_for ?? '']),
      { spare: ['duration'], empty: `${dagId} has no run yet` },
    ),
  )
}
