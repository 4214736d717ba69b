import { setUp } from '../app.ts'
import { UsageError } from '../errors.ts'
import { listRuns } from '../operations/list-runs.ts'
import { findDag } from './find-dag.ts'
import { instant, print, printJson, table, took } from './table.ts'
import { withMetadata } from './with-metadata.ts'

export interface ListOptions {
  output: string
}

/** `dags list`: from the pipelines folder; needs no database. */
export async function dagsList({ output }: ListOptions): Promise<number> {
  const { loaded } = await setUp({ wanted: () => false, logTo: process.stderr })
  const dags = [...loaded.dags.values()].map((dag) => ({
    dag_id: dag.id,
    schedule: dag.schedule,
    tasks: dag.tasks.size,
    description: dag.description,
    import_error: null as string | null,
  }))
  const broken = loaded.importErrors.map(({ folder, message }) => ({
    dag_id: folder,
    schedule: null,
    tasks: 0,
    description: '',
    import_error: message,
  }))
  const all = [...dags, ...broken].sort((a, b) => (a.dag_id < b.dag_id ? -1 : 1))
  if (output === 'json') printJson(all)
  else
    print(
      table(
        ['dag_id', 'schedule', 'tasks', 'description'],
        all.map((dag) => [
          dag.dag_id,
          dag.schedule ?? 'by hand',
          String(dag.tasks),
          dag.import_error === null ? dag.description : `import error: ${dag.import_error}`,
        ]),
      ),
    )
  return broken.length > 0 ? 1 : 0
}

/** `dags runs <dag>`: newest first. */
export async function dagsRuns(dagId: string, { output, limit }: ListOptions & { limit: string }): Promise<number> {
  if (!/^[1-9]\d{0,5}$/.test(limit)) throw new UsageError('--limit must be a whole number from 1')
  const runs = await withMetadata(async (metadata, { loaded }) => {
    findDag(loaded, dagId)
    return await listRuns(metadata, dagId, Number(limit))
  })
  if (output === 'json') printJson(runs)
  else
    print(
      table(
        ['run_id', 'state', 'start', 'duration'],
        runs.map((run) => [run.run_id, run.state, instant(run.start_date), took(run)]),
        { spare: ['duration'], empty: `${dagId} has had no run yet` },
      ),
    )
  return 0
}
