import type { TestDatabase } from './database.ts'
import { until } from './runner.ts'

/** Resolves when this many sessions of the database wait for a lock that another session holds. */
export async function someoneWaits({ pool }: TestDatabase, sessions = 1): Promise<void> {
  const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  await until(async () => (await pool.query(waiting)).rowCount === sessions)
}
