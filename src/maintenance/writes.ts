import type { QueryResult } from 'pg'
import type { Database } from '../db/pool.ts'
import { messageOf } from '../errors.ts'

/**
 * The reason why the database cannot write, and what to do; undefined if it can. Small writes succeed on a full disk,
 * because they fit into existing files. So the probe writes a temporary file of 0.5 MB, which Postgres deletes after
 * the statement. About 5 ms. Throws if the query fails for another reason.
 */
export async function whyNotWritable(db: Database): Promise<string | undefined> {
  try {
    const results = (await db.query(PROBE)) as unknown as QueryResult<Writing>[]
    const [row] = results.at(-1)?.rows ?? []
    return row && readOnly(row)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === DISK_FULL) return `the database's disk is full (${messageOf(error)}); free disk space`
    // temp_file_limit applies to the temporary file, not to tables.
    if (code === LIMIT_EXCEEDED) return undefined
    throw error
  }
}

interface Writing {
  is_standby: boolean
  is_read_only: boolean
  role: string
}

const DISK_FULL = '53100'
const LIMIT_EXCEEDED = '53400'

/** The text is sent without parameters. So it is one message and one transaction, and its settings apply only there. */
const PROBE = `
set local work_mem = '64kB';
set local temp_tablespaces = '';
select count(*) from generate_series(1, 20000);
select pg_is_in_recovery() as is_standby, current_setting('transaction_read_only')::bool as is_read_only,
  current_user as role`

function readOnly({ is_standby, is_read_only, role }: Writing): string | undefined {
  if (is_standby) return 'the server is a read-only standby; name the primary'
  if (!is_read_only) return undefined
  return `its transactions are read-only; ALTER ROLE ${role} SET default_transaction_read_only = off, or the same for the database`
}
