import { type Setup, setUp } from '../app.ts'
import { type OpenOptions, openDatabases } from '../databases.ts'
import { TminusError } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'

/**
 * Sets up a verb that needs no settings of dags. So wrong settings of a dag do not stop the verb. Log lines go to
 * standard error, because standard output contains only the answer.
 */
export async function setUpCommand(options: { withoutDags?: boolean } = {}): Promise<Setup> {
  return await setUp({ wanted: () => false, logTo: process.stderr, ...options })
}

/** Opens the runner's tables for `work`, then closes them. Throws a TminusError if there are no tables. */
export async function withMetadata<T>(
  work: (metadata: Metadata, setup: Setup) => Promise<T>,
  { withoutDags = false, ...options }: Pick<OpenOptions, 'slow'> & { withoutDags?: boolean } = {},
): Promise<T> {
  const setup = await setUpCommand({ withoutDags })
  const { metadata, close } = await openDatabases(setup, { create: false, ...options })
  return await work(metadata, setup).finally(close)
}

/**
 * True if `openDatabases` failed because nothing has run yet: there is no database, or it has no tables of the runner.
 */
export function hasNoTables(error: unknown): boolean {
  return error instanceof TminusError && ['embedded_missing', 'not_migrated'].includes(error.code)
}
