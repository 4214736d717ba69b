import { TminusError, UsageError } from '../errors.ts'
import { Client } from './client.ts'
import { type Address, explain } from './connect-problem.ts'
import { restartMs, retryDuringOutage } from './outage.ts'
import type { Database } from './pool.ts'

/**
 * Connects and runs `select 1`. Throws UsageError `database_address` if the address is wrong, and TminusError
 * `database_unreachable` if the server may only be down.
 *
 * @param name the setting to name: `DATABASE_URL`, `POSTGRES_HOST` or `METADATA_DATABASE_URL`
 * @param onRestart called if the server seems to restart. Then this function waits for it. Without `onRestart` it throws
 */
export async function checkConnection(db: Database, name: string, onRestart?: (error: Error) => void): Promise<void> {
  const select = () => db.query('select 1')
  try {
    await select().catch(async (error: Error) => {
      const forMs = restartMs(error)
      if (onRestart === undefined || forMs === 0) throw error
      onRestart(error)
      await retryDuringOutage(select, { forMs })
    })
  } catch (cause) {
    const { sentence, isAddress } = explain(cause as Error, addressOf(db, name))
    const message = `${name}: ${sentence}`
    if (isAddress) throw new UsageError(message, { code: 'database_address', cause })
    throw new TminusError(message, { code: 'database_unreachable', cause })
  }
}

/** A pool stores the address unparsed. A new client parses it, and does not connect yet. */
function addressOf(db: Database, setting: string): Address | undefined {
  try {
    const { host, port, database, user } = new Client(db.options)
    return { host, port, database, user, setting }
  } catch {
    return undefined
  }
}
