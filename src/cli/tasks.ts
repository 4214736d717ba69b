import { openDatabases, setUp } from '../app.ts'
import { UsageError } from '../errors.ts'
import { readLogs } from '../metadata/logs.ts'
import { instant, print } from './table.ts'

/** `tasks logs <dag> <run> <task>`: every try, or one. */
export async function tasksLogs(
  dagId: string,
  runId: string,
  taskId: string,
  options: { try?: string },
): Promise<number> {
  if (options.try !== undefined && !/^[1-9]\d{0,5}$/.test(options.try))
    throw new UsageError('--try must be a whole number from 1')
  const setup = await setUp({ wanted: () => false, logTo: process.stderr })
  const { metadata, close } = await openDatabases(setup, { create: false })
  const tryNumber = options.try === undefined ? null : Number(options.try)
  const lines = await readLogs(metadata, { dagId, runId }, taskId, { tryNumber }).finally(close)
  for (const { try_number, logged_at, level, message, fields } of lines) {
    const more = fields === null ? '' : ` ${JSON.stringify(fields)}`
    print(`${instant(logged_at)} try ${try_number} ${level.padEnd(5)} ${message}${more}`)
  }
  return 0
}
