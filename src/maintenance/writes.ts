import type { QueryResult } from 'pg'
import type { Database } from '../db/pool.ts'
import { messageOf } from '../errors.ts'

/**
 * Why the database stores nothing, and what to do; undefined where it does. Statements that fit into pages and log files
 * that exist succeed on a full disk, so a temporary file of 0.5 MB is written, which is gone at the end of the statement.
 * About 5 ms. Throws where the database cannot be asked.
 */
export async function whyNotWritable(db: Database): Promise<string | undefined> {
  try {
    const results = (await db.query(PROBE)) as unknown as QueryResult<Writing>[]
    const [row] = results.at(-1)?.rows ?? []
    return row && readOnly(row)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === DISK_FULL) return `the database's disk is full (${messageOf(error)}); free some of it`
    // temp_file_limit forbids the temporary file, not the tables.
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

/** Without values it is one message and one transaction, in which the settings end. */
const PROBE = `
set local work_mem = '64kB';
set local temp_tablespaces = '';
select count(*) from generate_series(1, 20000);
select pg_is_in_recovery() as is_standby, current_setting('transaction_read_only')::bool as is_read_only,
  current_user as role`

function readOnly({ is_standby, is_read_only, role }: Writing): string | undefined {
  if (is_standby) return 'the server is a standby, which only reads; name the primary'
  if (!is_read_only) return undefined
  return `its transactions only read; ALTER ROLE ${role} SET default_transaction_read_only = off, or the same for the database`
}
