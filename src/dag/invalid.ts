import { TminusError } from '../errors.ts'

/** @param problem what is wrong with the dag's definition, and what to change */
export function invalid(dagId: string, problem: string): TminusError {
  return new TminusError(`dag '${dagId}': ${problem}`, { code: 'dag_invalid', retryable: false, fields: { dagId } })
}
