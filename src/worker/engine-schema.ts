import type { Database } from '../db/pool.ts'
import { inTransaction } from '../db/transaction.ts'
import { UsageError } from '../errors.ts'

const PACKAGE = 'graphile-worker@0.17.3'

/** Imported only for EXECUTOR=distributed. Throws UsageError if the package is not installed: it is optional. */
export async function loadEngine(): Promise<typeof import('graphile-worker')> {
  return await import('graphile-worker').catch((error: unknown) => {
    if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new UsageError(
      `EXECUTOR=distributed needs a package that is not installed; run npm install ${PACKAGE}, or set EXECUTOR=local`,
      { code: 'engine_missing', cause: error },
    )
  })
}

/**
 * Creates or updates graphile-worker's tables in this schema. The pool needs two connections: one holds the lock, because
 * several processes that migrate at once would fail.
 */
export async function migrateEngine(pool: Database, schema: string): Promise<void> {
  const { Logger, runMigrations } = await loadEngine()
  const silent = new Logger(() => () => {})
  // The engine prints a warning unless the pool has a listener.
  pool.on('connect', (client) => client.on('error', () => {}))
  await inTransaction(pool, async (connection) => {
    await connection.query('set local statement_timeout = 0; set local lock_timeout = 0')
    await connection.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`tminus migrate ${schema}`])
    await runMigrations({ pgPool: pool, schema, logger: silent })
  })
}
