import type { Duration } from '../duration.ts'
import { humanDuration } from '../duration.ts'
import type { Callback, OnLate, RunEnd, RunLate } from './events.ts'

type Context = Parameters<Callback>[1]

/** What a channel is told about a run. */
export interface Notice {
  kind: 'failed' | 'late' | 'recovered'
  dagId: string
  /** `etl failed` */
  title: string
  runId: string
  /** The tasks that failed, or those that a late run waits for. At most MOST_TASKS. */
  tasks: readonly { name: string; reason: string }[]
  /** The number of further tasks. */
  more: number
}

export interface NoticeOptions {
  /** Also sends a notice if a run has not ended after this time. See `onLate`. */
  lateAfter?: Duration
}

/** The callbacks that send notices. Spread them into a dag's options. */
export interface NoticeCallbacks {
  onFailure: Callback
  onSuccess: Callback
  onLate?: OnLate
}

const MOST_TASKS = 10

/** Sends a notice when a run fails or is late, and when the next run succeeds again. */
export function noticesBy(
  send: (notice: Notice, context: Context) => Promise<void>,
  { lateAfter }: NoticeOptions,
): NoticeCallbacks {
  return {
    onFailure: (end, context) => send(failureOf(end), context),
    onSuccess: (end, context) => (end.recovered ? send(recoveryOf(end), context) : undefined),
    ...(lateAfter !== undefined && {
      onLate: { after: lateAfter, call: (late, context) => send(lateNotice(late, context.now()), context) },
    }),
  }
}

function failureOf({ dagId, runId, failed }: RunEnd): Notice {
  const tasks = failed.map(({ taskId, tryNumber, reason }) => ({ name: `${taskId} · try ${tryNumber}`, reason }))
  return { kind: 'failed', dagId, title: `${dagId} failed`, runId, ...limited(tasks) }
}

function recoveryOf({ dagId, runId }: RunEnd): Notice {
  return { kind: 'recovered', dagId, title: `${dagId} succeeds again`, runId, tasks: [], more: 0 }
}

function lateNotice({ dagId, runId, state, queuedAt, unfinished }: RunLate, now: Date): Notice {
  const tasks = unfinished.map(({ taskId, state, reason }) => ({ name: `${taskId} · ${state}`, reason }))
  const ms = Math.max(0, now.getTime() - queuedAt.getTime())
  const title = `${dagId} is late: ${state} after ${humanDuration(Math.round(ms / 1_000) * 1_000)}`
  return { kind: 'late', dagId, title, runId, ...limited(tasks) }
}

function limited(tasks: Notice['tasks']): Pick<Notice, 'tasks' | 'more'> {
  return { tasks: tasks.slice(0, MOST_TASKS), more: Math.max(0, tasks.length - MOST_TASKS) }
}
