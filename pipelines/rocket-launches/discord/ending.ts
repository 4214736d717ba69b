import { fail, rescheduleAt, type TaskContext, TminusError } from 'tminus'
import type { Trouble } from './outcome.ts'

/** Longer than that a run does not wait for Discord: it would hold up the next ones, which go on by themselves. */
const LONGEST_WAIT_MS = { scheduled: 2 * 60_000, byHand: 15 * 60_000 } as const

/**
 * What the task is to throw, where it does not just succeed: the worst of what befell the channels, told for all of
 * them. A scheduled run is not retried, since the next one would wait for its end, and reminders cannot.
 */
export function endingOf(
  troubles: readonly Trouble[],
  { runType, now, log }: Pick<TaskContext, 'runType' | 'now' | 'log'>,
): Error | undefined {
  const failed = troubles.filter((trouble) => trouble.kind === 'failed')
  const retried = troubles.filter((trouble) => trouble.kind === 'retry')
  const waits = troubles.filter((trouble) => trouble.kind === 'wait')
  const [retry] = retried
  if (failed.length > 0) return fail(told([...failed, ...retried]))
  if (retry && runType === 'scheduled') return fail(`${told(retried)}; the next scheduled run tries again`)
  if (retry) return new TminusError(told(retried), { code: retry.code })
  const longest = LONGEST_WAIT_MS[runType === 'scheduled' ? 'scheduled' : 'byHand']
  const short = waits.filter(({ ms }) => ms <= longest)
  if (short.length > 0) {
    const ms = Math.min(...short.map((wait) => wait.ms))
    return rescheduleAt(new Date(now().getTime() + ms), told(short))
  }
  if (waits.length > 0) log.warn(`${told(waits)}; a later run goes on then`)
  return undefined
}

function told(troubles: readonly Trouble[]): string {
  return troubles.map(({ reason }) => reason).join('; ')
}
