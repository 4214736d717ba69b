import { commandFor, TminusError } from 'tminus'

/** True for Postgres' errors about a table or column that does not exist: the pipeline has not created it yet. */
export function isMissingTable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === '42P01' || error.code === '42703')
}

/** Rethrows an error of the database. If tables are missing, the error says which command to run first. */
export function explainMissingTables(contents: string, code: string): (error: unknown) => never {
  return (error) => {
    if (!isMissingTable(error)) throw error
    const message = `No ${contents} are stored yet; run ${commandFor('pipeline rocket-launches')}`
    throw new TminusError(message, { code, retryable: false, cause: error })
  }
}
