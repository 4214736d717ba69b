import { TminusError } from '../errors.ts'
import { withLimit } from './client.ts'
import type { Connection, Database } from './pool.ts'

/** A statement that `work` did not wait for may still run, or the network may have failed. */
const ROLLBACK_MS = 5_000

/**
 * Runs `work` in one transaction: commits if it returns, rolls back if it throws, and releases the connection. A
 * connection that broke or cannot roll back is destroyed.
 *
 * Throws what `work` throws. Throws TminusError `transaction_aborted` if a statement failed and `work` returned anyway:
 * Postgres then answers the commit with a rollback.
 */
export async function inTransaction<T>(db: Database, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await db.connect()
  let broken: Error | undefined
  const onError = (error: Error) => {
    broken ??= error
  }
  // A connection that breaks between two statements emits an error event, which without a listener ends the process.
  connection.on('error', onError)
  try {
    // The database may have another default isolation. Behind a pooler, the session may have another isolation too.
    await connection.query('begin isolation level read committed')
    const result = await work(connection)
    const { command } = await connection.query('commit')
    if (command !== 'COMMIT') throw aborted()
    return result
  } catch (error) {
    await connection.query(withLimit({ text: 'rollback' }, ROLLBACK_MS)).catch(onError)
    throw error
  } finally {
    if (broken === undefined) connection.off('error', onError)
    connection.release(broken)
  }
}

function aborted(): TminusError {
  return new TminusError('The transaction was rolled back: one of its statements had failed', {
    code: 'transaction_aborted',
  })
}
