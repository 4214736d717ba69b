import { commandFor, TminusError } from 'tminus'

/** True for Postgres' error about a table that does not exist: the pipeline has not created it yet. */
export function isMissingTable(error: unknown): boolean {
  return codeOf(error) === '42P01'
}

/** True for Postgres' error about a column or function that does not exist: the tables are of an older version. */
export function isOlderTable(error: unknown): boolean {
  return codeOf(error) === '42703' || codeOf(error) === '42883'
}

/** True for either: the pipeline has not created or updated its tables yet. */
export function isNotMigrated(error: unknown): boolean {
  return isMissingTable(error) || isOlderTable(error)
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** Says how tables of an older version become current. */
export function olderTables(): string {
  return `The tables are of an older version; the next run updates them, or run ${commandFor('pipeline rocket-launches')}`
}

/** Rethrows an error of the database. If tables are missing or old, the error says which command to run first. */
export function explainMissingTables(contents: string, code: string): (error: unknown) => never {
  return (error) => {
    if (!isNotMigrated(error)) throw error
    const missing = `No ${contents} are stored yet; run ${commandFor('pipeline rocket-launches')}`
    const message = isMissingTable(error) ? missing : olderTables()
    throw new TminusError(message, { code, retryable: false, cause: error })
  }
}
