import type { Dag } from '../../dag/dag.ts'
import { isOver } from '../../dag/state.ts'
import { UsageError } from '../../errors.ts'
import { whyStaysQueued } from '../../maintenance/stays-queued.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { type ClearedRun, clearRuns } from '../../operations/clear-runs.ts'
import type { DagRunDetails } from '../../operations/list-runs.ts'
import { cancel, clear, MARKS, mark, type Operated } from '../../operations/operate.ts'
import { taskNames } from '../../operations/task-names.ts'
import { confirm } from '../confirm.ts'
import { findExecutable } from '../find-dag.ts'
import { findRun, findTask } from '../find-run.ts'
import { print, say, table } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'
import { type FilterOptions, parseFilter } from './runs-list.ts'

export interface ClearOptions {
  task?: string[]
  downstream?: boolean
  onlyFailed?: boolean
  dryRun?: boolean
  withCurrentGraph?: boolean
}

/** `runs clear <dag> <run>`, or `runs clear --dag <dag>` with a filter. */
export async function runsClear(
  dagId: string | undefined,
  runId: string | undefined,
  options: ClearOptions & FilterOptions & { yes?: boolean },
): Promise<number> {
  const { dag, state, type, since, until } = options
  const filtered = [dag, state, type, since, until].some((one) => one !== undefined)
  if (!filtered && dagId !== undefined && runId !== undefined) return await tasksClear(dagId, runId, options)
  if (!filtered || dag === undefined || dagId !== undefined || options.task !== undefined)
    throw new UsageError(
      'runs clear takes a dag and a run, or --dag with --state, --type, --since or --until to clear several runs',
    )
  return await clearMany(dag, options)
}

/** Shows what a filter would clear, asks, and clears it. Returns 1 if the user says no or a run could not be cleared. */
async function clearMany(dagId: string, options: ClearOptions & FilterOptions & { yes?: boolean }): Promise<number> {
  const filter = { ...parseFilter(options), dagId }
  return await withMetadata(async (metadata, setup) => {
    const dag = findExecutable(setup.loaded, dagId)
    const wanted = { onlyFailed: options.onlyFailed ?? false, ...(options.withCurrentGraph && { current: dag }) }
    const found = await clearRuns(metadata, filter, { ...wanted, dryRun: true })
    const tasks = sum(found)
    if (found.length === 0) say('No ended run matches, so there is nothing to clear')
    else print(table(['run_id', 'clears'], found.map(inWords)))
    if (found.length === 0 || options.dryRun) return 0
    if (
      !(await confirm(
        `This clears ${counted(tasks, 'task')} of ${counted(found.length, 'run')} of '${dagId}'`,
        options.yes,
      ))
    )
      return 1
    const cleared = await clearRuns(metadata, filter, { ...wanted, dryRun: false })
    const runs = cleared.filter(({ error }) => error === null).length
    say(`Cleared ${counted(sum(cleared), 'task')} of ${counted(runs, 'run')}`)
    for (const { runId, error } of cleared) if (error !== null) say(`Not cleared: ${runId}: ${error}`)
    await warnIfNotExecuted(metadata, dag)
    return cleared.some(({ error }) => error !== null) ? 1 : 0
  })
}

function sum(runs: readonly ClearedRun[]): number {
  return runs.reduce((total, { taskIds }) => total + taskIds.length, 0)
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}

function inWords({ runId, taskIds, error }: ClearedRun): [string, string] {
  return [runId, error ?? taskNames(taskIds).join(', ')]
}

/** These tasks of a run in words. */
function namesIn(run: DagRunDetails, taskIds: readonly string[]): string {
  const all = run.task_instances.map(({ task_id }) => task_id)
  return taskNames(taskIds, all).join(', ')
}

/** `runs clear <dag> <run>` and `tasks clear <dag> <run> <task...>`. */
export async function tasksClear(dagId: string, runId: string, options: ClearOptions): Promise<number> {
  await withMetadata(async (metadata, setup) => {
    const run = await findRun(metadata, setup, dagId, runId)
    const dag = findExecutable(setup.loaded, dagId)
    if (!options.withCurrentGraph) for (const taskId of options.task ?? []) findTask(run, taskId)
    const selection = {
      ...(options.task && { taskIds: options.task }),
      downstream: options.downstream ?? false,
      onlyFailed: options.onlyFailed ?? false,
    }
    const current = options.withCurrentGraph ? dag : undefined
    const done = await clear(metadata, { dagId, runId: run.run_id }, selection, options.dryRun ?? false, current)
    if (done.taskIds.length === 0) say(`Nothing to clear in ${done.runId}`)
    else say(`${options.dryRun ? 'Would clear' : 'Cleared'} ${namesIn(run, done.taskIds)} of ${done.runId}`)
    if (done.taskIds.length > 0 && !options.dryRun) await warnIfNotExecuted(metadata, dag)
  })
  return 0
}

/** `runs cancel <dag> <run>`. */
export async function runsCancel(dagId: string, runId: string): Promise<number> {
  await withMetadata(async (metadata, setup) => {
    const run = await findRun(metadata, setup, dagId, runId)
    const { runId: cancelled, taskIds } = await cancel(metadata, { dagId, runId: run.run_id })
    say(`Cancelled ${cancelled}: ${namesIn(run, taskIds) || 'nothing was left to run'}`)
    const { state } = await findRun(metadata, setup, dagId, cancelled)
    if (!isOver(state)) say('The run ends after its teardowns. To end it now, cancel it again')
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
    say(`Marked ${taskId} ${state} in ${done.runId}${after.length > 0 ? `; to run again: ${namesIn(run, after)}` : ''}`)
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
