import format from 'pg-format'
import type { TestDatabase } from './database.ts'

/** Defaults that change the answers of a session, and how it reads texts. */
export const FOREIGN = {
  DateStyle: 'German, DMY',
  TimeZone: 'Asia/Kathmandu',
  IntervalStyle: 'sql_standard',
  bytea_output: 'escape',
  extra_float_digits: '-15',
  standard_conforming_strings: 'off',
  array_nulls: 'off',
  client_encoding: 'LATIN1',
  default_transaction_isolation: 'serializable',
}

/** Sets these defaults for every new session of the database. */
export async function setDefaults(database: TestDatabase, defaults: Readonly<Record<string, string>>): Promise<void> {
  const { rows } = await database.pool.query<{ name: string }>('select current_database() as name')
  for (const [name, value] of Object.entries(defaults))
    await database.pool.query(format('alter database %I set %I = %L', rows[0]?.name, name, value))
}
