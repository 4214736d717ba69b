import { type Duration, humanDuration } from '../duration.ts'
import { fail, rescheduleAt, skip } from './ending.ts'
import type { ParsedWait } from './options.ts'
import type { Inputs, TaskOptions, TaskRun, Upstream } from './task.ts'
import type { TriggerRule } from './trigger-rule.ts'

export interface WaitOptions<U extends Upstream, R extends TriggerRule, Context>
  extends Omit<TaskOptions<U, R, undefined, Context>, 'run' | 'output'> {
  /** Returns true when the wait is over. If it throws, the try fails. */
  check: (inputs: Inputs<U, R>, context: Context) => boolean | Promise<boolean>
  /** The time between two checks. The task holds no slot in between. */
  every: Duration
  /** How long the task waits, from its first check. Default: no limit. */
  timeout?: Duration
  /** What the task does then. Default `fail`, without a retry. */
  onTimeout?: 'fail' | 'skip'
}

/** Checks once. If the wait is not over, the task gives back its slot until the next check. */
export function waiting({ check, every, timeout = Number.POSITIVE_INFINITY, onTimeout }: ParsedWait): TaskRun {
  return async (inputs, context) => {
    if (await check(inputs, context)) return
    const now = context.now().getTime()
    const leftMs = timeout - (now - context.firstStartedAt.getTime())
    const end = onTimeout === 'skip' ? skip : fail
    if (leftMs <= 0) throw end(`waited for ${humanDuration(timeout)}`)
    const waitMs = Math.min(every, leftMs)
    throw rescheduleAt(new Date(now + waitMs), `checks again in ${humanDuration(waitMs)}`)
  }
}
