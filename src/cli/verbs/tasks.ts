import { setTimeout as delay } from 'node:timers/promises'
import type { Setup } from '../../app.ts'
import { isTerminal } from '../../dag/state.ts'
import { UsageError } from '../../errors.ts'
import { readWaiting } from '../../maintenance/stays-queued.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { type LogRow, readEnds, readLogs, type TryEnd, whyNoLog } from '../../operations/logs.ts'
import { stopSignal } from '../command-host.ts'
import { findRun, findTask } from '../find-run.ts'
import { parseCount } from '../parse-option.ts'
import { printable } from '../terminal/screen.ts'
import { instant, note, print } from '../terminal/table.ts'
import { withMetadata } from '../with-metadata.ts'

export interface LogsOptions {
  try?: string
  follow?: boolean
}

/**
 * `tasks logs <dag> <run> <task>`: prints the log of all tries, or of one try. With `--follow`, prints new lines until
 * the task or try has ended.
 */
export async function tasksLogs(dagId: string, runId: string, taskId: string, options: LogsOptions): Promise<number> {
  const tryNumber = options.try === undefined ? null : parseCount('--try', options.try)
  const wanted: Wanted = { dagId, runId, taskId, tryNumber }
  await withMetadata(async (metadata, setup) => {
    const first = await read(metadata, setup, wanted, 0)
    if (tryNumber !== null && first.ended && first.tries < tryNumber)
      throw new UsageError(`Task '${taskId}' has no try ${tryNumber} in this run; it had ${first.tries}`)
    show(first)
    if (first.lines.length === 0 && first.ends.length === 0) note(first.without)
    if (options.follow && !first.ended) await follow(metadata, setup, { ...wanted, runId: first.runId }, first)
  })
  return 0
}

interface Wanted {
  dagId: string
  runId: string
  taskId: string
  /** Null: every try. */
  tryNumber: number | null
}

interface LogPart {
  lines: readonly LogRow[]
  ends: readonly TryEnd[]
}

const POLL_MS = 500

async function follow(metadata: Metadata, setup: Setup, wanted: Wanted, shown: LogPart): Promise<void> {
  const signal = stopSignal()
  let after = lastOf(shown.lines, 0)
  let endsShown = shown.ends.length
  for (let ended = false; !ended && !signal.aborted; ) {
    await delay(POLL_MS, undefined, { signal }).catch(() => {})
    const found = await read(metadata, setup, wanted, after)
    show({ lines: found.lines, ends: found.ends.slice(endsShown) })
    after = lastOf(found.lines, after)
    endsShown = found.ends.length
    ended = found.ended
    if (ended && after === 0 && endsShown === 0) note(found.without)
  }
}

/** Reads the state before the lines: if the task has ended, all its lines are already written. */
async function read(metadata: Metadata, setup: Setup, { dagId, runId, taskId, tryNumber }: Wanted, afterLine: number) {
  const run = await findRun(metadata, setup, dagId, runId)
  const found = findTask(run, taskId)
  const waiting = (await readWaiting(metadata, setup.loaded.dags, [run]))(run, taskId)
  const task = { ...found, reason: waiting ?? found.reason }
  const key = { dagId, runId: run.run_id }
  const ends = await readEnds(metadata, key, taskId, tryNumber)
  const lines = await readLogs(metadata, key, taskId, { tryNumber, afterLine })
  const isOver = isTerminal(task.state) || (tryNumber !== null && task.try_number > tryNumber)
  const ended = isOver && (run.end_date !== null || lines.length === 0)
  const what = tryNumber === null ? taskId : `try ${tryNumber} of ${taskId}`
  const without = `${what} has no log: ${whyNoLog(run, task, tryNumber)}`
  return { runId: run.run_id, lines, ends, ended, tries: task.try_number, without }
}

function lastOf(lines: readonly LogRow[], before: number): number {
  return lines.reduce((last, { line }) => Math.max(last, line), before)
}

/** Prints the lines of each try, then how the try ended if it did not succeed. */
function show({ lines, ends }: LogPart): void {
  const tries = new Set([...lines, ...ends].map(({ try_number }) => try_number).sort((a, b) => a - b))
  for (const one of tries) {
    for (const line of lines.filter(({ try_number }) => try_number === one)) print(textOf(line))
    for (const end of ends.filter(({ try_number }) => try_number === one)) print(endOf(end))
  }
}

function textOf({ try_number, logged_at, level, message, fields }: LogRow): string {
  const more = fields === null ? '' : ` ${JSON.stringify(fields)}`
  return printable(`${instant(logged_at)} try ${try_number} ${level.padEnd(5)} ${message}${more}`)
}

/** The stack of the error, which starts with the reason. If there is no stack, the reason. */
function endOf({ try_number, ended_at, state, reason, error }: TryEnd): string {
  return printable(`${instant(ended_at)} try ${try_number} ${state}: ${error ?? reason ?? 'no reason given'}`)
}
