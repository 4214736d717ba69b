import type { Logger } from '../log.ts'

/** What only looks on cannot disturb a run: what it throws is logged. */
export function watching<A extends unknown[]>(log: Logger, watch?: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      watch?.(...args)
    } catch (err) {
      log.error({ err }, 'showing what a run does failed; the run is not affected')
    }
  }
}
