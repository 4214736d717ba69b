import { openDatabases, type Setup, setUp } from '../app.ts'
import type { Metadata } from '../metadata/metadata.ts'

/** For verbs that look at the runner's tables or change them: opens them for as long as `work` takes, makes none. */
export async function withMetadata<T>(work: (metadata: Metadata, setup: Setup) => Promise<T>): Promise<T> {
  const setup = await setUp({ wanted: () => false, logTo: process.stderr })
  const { metadata, close } = await openDatabases(setup, { create: false })
  return await work(metadata, setup).finally(close)
}
