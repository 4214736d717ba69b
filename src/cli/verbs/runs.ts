import { findRun } from '../find-run.ts'
import { instant, print, printJson, say, table, took } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'
import type { ListOptions } from './dags.ts'

/** `runs show <dag> <run>`. */
export async function runsShow(dagId: string, runId: string, { output }: ListOptions): Promise<number> {
  const run = await withMetadata((metadata, setup) => findRun(metadata, setup, dagId, runId))
  if (output === 'json') {
    printJson(run)
    return 0
  }
  say(`${run.dag_id}  ${run.run_id}  ${run.state}${run.reason === null ? '' : `: ${run.reason}`}`)
  print(
    table(
      ['task_id', 'state', 'try', 'start', 'duration', 'reason'],
      run.task_instances.map((task) => [
        task.task_id,
        task.state,
        String(task.try_number),
        instant(task.start_date),
        took(task),
        task.reason ?? '',
      ]),
      { spare: ['start'] },
    ),
  )
  return 0
}
