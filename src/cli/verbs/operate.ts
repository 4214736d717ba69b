import type { Dag } from '../../dag/dag.ts'
import { UsageError } from '../../errors.ts'
import { whyStaysQueued } from '../../maintenance/stays-queued.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { cancel, clear, MARKS, mark, type Operated } from '../../operations/operate.ts'
import { findExecutable } from '../find-dag.ts'
import { findRun, findTask } from '../find-run.ts'
import { say } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'

export interface ClearOptions {
  task?: string[]
  downstream?: boolean
  onlyFailed?: boolean
  dryRun?: boolean
}

/** `runs clear <dag> <run>` and `tasks clear <dag> <run> <task...>`. */
export async function runsClear(dagId: string, runId: string, options: ClearOptions): Promise<number> {
  await withMetadata(async (metadata, setup) => {
    const run = await findRun(metadata, setup, dagId, runId)
    const dag = findExecutable(setup.loaded, dagId)
    for (const taskId of options.task ?? []) findTask(run, taskId)
    const selection = {
      ...(options.task && { taskIds: options.task }),
      downstream: options.downstream ?? false,
      onlyFailed: options.onlyFailed ?? false,
    }
    const done = await clear(metadata, { dagId, runId: run.run_id }, selection, options.dryRun ?? false)
    if (done.taskIds.length === 0) say(`Nothing to clear in ${done.runId}`)
    else say(`${options.dryRun ? 'Would clear' : 'Cleared'} ${done.taskIds.join(', ')} of ${done.runId}`)
    if (done.taskIds.length > 0 && !options.dryRun) await warnIfNotExecuted(metadata, dag)
  })
  return 0
}

/** `runs cancel <dag> <run>`. */
export async function runsCancel(dagId: string, runId: string): Promise<number> {
  await withMetadata(async (metadata, setup) => {
    const run = await findRun(metadata, setup, dagId, runId)
    const { runId: cancelled, taskIds } = await cancel(metadata, { dagId, runId: run.run_id })
    say(`Cancelled ${cancelled}: ${taskIds.join(', ') || 'nothing was left to run'}`)
  })
  return 0
}

/** `tasks mark <dag> <run> <task> <state>`. */
export async function tasksMark(
  dagId: string,
  runId: string,
  taskId: string,
  state: string,
  options: { value?: string },
): Promise<number> {
  const known = MARKS.find((one) => one === state)
  if (known === undefined) throw new UsageError(`A task is marked success, failed or skipped, not '${state}'`)
  await withMetadata(async (metadata, setup) => {
    const value = options.value === undefined ? undefined : readJson(options.value)
    const run = await findRun(metadata, setup, dagId, runId)
    findTask(run, taskId)
    const dag = findExecutable(setup.loaded, dagId)
    const done: Operated = await mark(metadata, dag, run.run_id, taskId, known, value)
    const [, ...after] = done.taskIds
    say(`Marked ${taskId} ${state} in ${done.runId}${after.length > 0 ? `; to run again: ${after.join(', ')}` : ''}`)
    await warnIfNotExecuted(metadata, dag)
  })
  return 0
}

/** Prints a warning, with what to do, if no running process would execute a queued run of this dag. */
export async function warnIfNotExecuted(metadata: Metadata, dag: Dag): Promise<void> {
  const why = await whyStaysQueued(metadata, dag)
  if (why !== undefined) say(why)
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new UsageError('--value is not JSON', { cause })
  }
}
