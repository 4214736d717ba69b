import { FLOWN } from '../../launches/launch.ts'
import type { Outcome } from '../../launches/words/figures-en.ts'

/** Launch Library's status ids of an outcome. `open`: no final outcome. */
const STATUS: Readonly<Record<Exclude<Outcome, 'open'>, number>> = { success: 3, failure: 4, partial: 7 }

export const OUTCOMES: readonly Outcome[] = ['success', 'partial', 'failure', 'open']

/** SQL: true for a row of `rocket_launches` with this outcome. */
export function hasOutcome(outcome: Outcome): string {
  if (outcome !== 'open') return `(status_id = ${STATUS[outcome]}) is true`
  return `(status_id = any (array[${Object.values(STATUS)}])) is not true`
}

/** SQL: true for a launch that left the ground. */
export const HAS_FLOWN = `(status_id = any (array[${FLOWN}])) is true`
