import { UsageError } from '../errors.ts'
import { showRun } from '../metadata/dag-runs.ts'
import { type LogRow, readLogs } from '../metadata/logs.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { noSuchRun } from './find-dag.ts'
import { instant, print } from './table.ts'
import { withMetadata } from './with-metadata.ts'

/** `tasks logs <dag> <run> <task>`: every try, or one. */
export async function tasksLogs(
  dagId: string,
  runId: string,
  taskId: string,
  options: { try?: string },
): Promise<number> {
  if (options.try !== undefined && !/^[1-9]\d{0,5}$/.test(options.try))
    throw new UsageError('--try must be a whole number from 1')
  const tryNumber = options.try === undefined ? null : Number(options.try)
  const lines = await withMetadata((metadata) => readTask(metadata, dagId, runId, taskId, tryNumber))
  for (const { try_number, logged_at, level, message, fields } of lines) {
    const more = fields === null ? '' : ` ${JSON.stringify(fields)}`
    print(`${instant(logged_at)} try ${try_number} ${level.padEnd(5)} ${message}${more}`)
  }
  return 0
}

async function readTask(
  metadata: Metadata,
  dagId: string,
  runId: string,
  taskId: string,
  tryNumber: number | null,
): Promise<LogRow[]> {
  const run = await showRun(metadata, dagId, runId)
  if (run === undefined) throw noSuchRun(dagId, runId)
  const known = run.task_instances.map((task) => task.task_id)
  if (!known.includes(taskId))
    throw new UsageError(`Run '${run.run_id}' has no task '${taskId}'. Known: ${known.join(', ')}`)
  return await readLogs(metadata, { dagId, runId: run.run_id }, taskId, { tryNumber })
}
