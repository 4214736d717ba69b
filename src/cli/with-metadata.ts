import { openDatabases, type Setup, setUp } from '../app.ts'
import { TminusError } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'

/**
 * For verbs that need no dag's settings: wrong ones do not stop them. Log lines go to standard error, so that standard
 * output holds nothing but the answer.
 */
export async function setUpCommand(): Promise<Setup> {
  return await setUp({ wanted: () => false, logTo: process.stderr })
}

/** Opens the runner's tables for as long as `work` takes. Creates none: throws TminusError where they do not exist. */
export async function withMetadata<T>(work: (metadata: Metadata, setup: Setup) => Promise<T>): Promise<T> {
  const setup = await setUpCommand()
  const { metadata, close } = await openDatabases(setup, { create: false })
  return await work(metadata, setup).finally(close)
}

/** Whether an error of `openDatabases` means that nothing has run yet: no database, or none of the runner's tables. */
export function hasNoTables(error: unknown): boolean {
  return error instanceof TminusError && ['embedded_missing', 'not_migrated'].includes(error.code)
}
