import { TminusError } from '../errors.ts'
import type { Connection, Database } from './pool.ts'

/**
 * Runs `work` inside one transaction: commits what it returns, rolls back what it throws, always gives the
 * connection back. A connection that was lost or cannot roll back is destroyed instead of being reused.
 *
 * Throws what `work` throws, and TminusError `transaction_aborted` where `work` returned in spite of a failed
 * statement: Postgres answers such a commit with a rollback.
 */
export async function inTransaction<T>(db: Database, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await db.connect()
  let broken: Error | undefined
  const onError = (error: Error) => {
    broken ??= error
  }
  // A connection lost between two statements tells so by an event; unheard, it would end the process.
  connection.on('error', onError)
  try {
    // The database's default may be another one, behind a pooler also that of our session.
    await connection.query('begin isolation level read committed')
    const result = await work(connection)
    const { command } = await connection.query('commit')
    if (command !== 'COMMIT') throw aborted()
    return result
  } catch (error) {
    await connection.query('rollback').catch(onError)
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
