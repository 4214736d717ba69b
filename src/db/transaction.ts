import type { Connection, Database } from './pool.ts'

/**
 * Runs `work` inside one transaction: commits what it returns, rolls back what it throws, always gives the
 * connection back. A connection that cannot even roll back is destroyed instead of being reused.
 */
export async function inTransaction<T>(
  db: Database,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await db.connect()
  let broken: Error | undefined
  try {
    await connection.query('begin')
    const result = await work(connection)
    await connection.query('commit')
    return result
  } catch (error) {
    await connection.query('rollback').catch((failure: Error) => {
      broken = failure
    })
    throw error
  } finally {
    connection.release(broken)
  }
}
