import { exitNow } from '../process-exit.ts'

/** Exit codes by the convention of shells: 128 and the signal's number. */
export const EXIT_OF = { SIGINT: 130, SIGTERM: 143 } as const
export type StopSignal = keyof typeof EXIT_OF

/** A process that has not ended so long after its first signal is ended: a database may hang, and a query with it. */
const LAST_RESORT_MS = 40_000

/**
 * Calls `stop` at the first SIGINT or SIGTERM; a second one, or 40 s, ends the process. Returns how to stop listening.
 */
export function onStopSignal(stop: (signal: StopSignal) => void): () => void {
  let asked = false
  const heard = (signal: NodeJS.Signals) => {
    if (asked) exitNow(EXIT_OF[signal as StopSignal])
    asked = true
    setTimeout(() => process.exit(EXIT_OF[signal as StopSignal]), LAST_RESORT_MS).unref()
    stop(signal as StopSignal)
  }
  process.on('SIGINT', heard)
  process.on('SIGTERM', heard)
  return () => {
    process.off('SIGINT', heard)
    process.off('SIGTERM', heard)
  }
}
