import { findRun } from '../find-run.ts'
import { answer, instant, table, took, wrapped } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'
import type { ListOptions } from './dags.ts'

/** `runs show <dag> <run>`. */
export async function runsShow(dagId: string, runId: string, { output }: ListOptions): Promise<number> {
  const run = await withMetadata((metadata, setup) => findRun(metadata, setup, dagId, runId))
  const rows = run.task_instances.map((task) => {
    const { task_id, state, try_number, start_date, reason } = task
    return [task_id, state, String(try_number), instant(start_date), took(task), reason ?? '']
  })
  const head = `${run.dag_id}  ${run.run_id}  ${run.state}${run.reason === null ? '' : `: ${run.reason}`}`
  const columns = ['task_id', 'state', 'try', 'start', 'duration', 'reason']
  return answer(output, run, () => `${wrapped(head).join('\n')}\n${table(columns, rows, { spare: ['start'] })}`)
}
