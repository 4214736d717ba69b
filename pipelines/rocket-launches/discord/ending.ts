import { fail, rescheduleAt, type TaskContext, TminusError } from 'tminus'
import type { Problem } from './outcome.ts'

/** The longest wait for Discord. A longer one would delay the next scheduled runs, which try again themselves. */
const LONGEST_WAIT_MS = { scheduled: 2 * 60_000, byHand: 15 * 60_000 } as const

/**
 * The error that the task must throw after these problems; undefined if it succeeds. The worst problem decides, and the
 * message names all problems of its kind. A scheduled run is not retried: the next run would wait for it, and reminders
 * would be late.
 */
export function errorFor(
  problems: readonly Problem[],
  { runType, now, log }: Pick<TaskContext, 'runType' | 'now' | 'log'>,
): Error | undefined {
  const failed = problems.filter((problem) => problem.kind === 'failed')
  const retryable = problems.filter((problem) => problem.kind === 'retry')
  const waits = problems.filter((problem) => problem.kind === 'wait')
  const [retry] = retryable
  if (failed.length > 0) return fail(reasonsOf([...failed, ...retryable]))
  if (retry && runType === 'scheduled') return fail(`${reasonsOf(retryable)}; the next scheduled run tries again`)
  if (retry) return new TminusError(reasonsOf(retryable), { code: retry.code })
  const longest = LONGEST_WAIT_MS[runType === 'scheduled' ? 'scheduled' : 'byHand']
  const short = waits.filter(({ ms }) => ms <= longest)
  if (short.length > 0) {
    const ms = Math.min(...short.map((wait) => wait.ms))
    return rescheduleAt(new Date(now().getTime() + ms), reasonsOf(short))
  }
  if (waits.length > 0) log.warn(`${reasonsOf(waits)}; a later run tries again`)
  return undefined
}

function reasonsOf(problems: readonly Problem[]): string {
  return problems.map(({ reason }) => reason).join('; ')
}
