import { setTimeout as delay } from 'node:timers/promises'
import { TminusError } from '../errors.ts'

/**
 * Deadlines are counted in steps of this length. If the process is blocked in a step, the step counts once. The process
 * can then read an answer that arrived before the next step ends.
 */
export const STEP_MS = 1_000

export const SILENT = 'database_silent'

/** The error of a connection that was closed because no answer came. Counts as an outage. */
export function noAnswer(ms: number): TminusError {
  const message = `The database did not answer within ${ms / 1_000} s; check the network and the server`
  return new TminusError(message, { code: SILENT })
}

/** Returns true if `work` settles within `ms`, counted in steps. */
export async function settlesWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  const settled = work.then(
    () => true,
    () => true,
  )
  for (let left = ms; left > 0; left -= STEP_MS) {
    const step = new AbortController()
    const waited = delay(Math.min(left, STEP_MS), false, { signal: step.signal }).catch(() => false)
    const isSettled = await Promise.race([settled, waited])
    step.abort()
    if (isSettled) return true
  }
  return false
}
