import type { Metadata } from '../../metadata/metadata.ts'
import { networkKey } from '../address.ts'

/** Failures that cost nothing; each further one doubles the wait, from a second to five minutes. */
const FREE = { account: 5, address: 20, calendar: 20 }
const LONGEST_WAIT_S = 300
/** After so long without a failure they are forgotten. */
const FORGOTTEN = '1 hour'

/** What failures are counted by. */
export interface Counted {
  key: string
  /** Failures that cost nothing. */
  free: number
}

export type Guess = readonly [account: Counted, address: Counted]

/** A try to sign in counts for the account and for where it comes from. */
export function loginTry(account: string, address: string): Guess {
  return guess('account', account, address)
}

/**
 * A session that is not its user's guesses the password here. Counted apart from logins: a stranger who only knows the
 * name, and tries to sign in again and again, cannot keep the user from a new password.
 */
export function passwordTry(account: string, address: string): Guess {
  return guess('password', account, address)
}

function guess(kind: string, account: string, address: string): Guess {
  return [
    { key: `${kind}:${account.slice(0, 100)}`, free: FREE.account },
    { key: `address:${networkKey(address)}`, free: FREE.address },
  ]
}

/** Apart from logins: a program left with an old address keeps asking, and must keep nobody there from signing in. */
export function calendarTry(address: string): readonly Counted[] {
  return [{ key: `calendar:${networkKey(address)}`, free: FREE.calendar }]
}

/**
 * Counts a try as failed before it is judged, so that many at once are counted too. Returns how many seconds to wait
 * where it comes too soon, 0 where it may be judged. A try that has to wait is not counted and leaves no row.
 */
export async function noteTry(db: Metadata, counted: readonly Counted[]): Promise<number> {
  await db.query(`delete from metadata.login_attempt where failed_at < now() - interval '${FORGOTTEN}'`)
  return await db.transaction(async (tx) => {
    const keys = counted.map(({ key }) => key)
    await tx.query(
      `select pg_advisory_xact_lock(lock)
       from (select distinct hashtextextended(key, ${LOCKS}) as lock from unnest($1::text[]) key order by lock) l`,
      [keys],
    )
    const late = await waitOf(tx, counted)
    if (late > 0) return late
    await tx.query(
      `insert into metadata.login_attempt as a (key, failures, failed_at) select unnest($1::text[]), 1, clock_timestamp()
       on conflict (key) do update set failures = a.failures + 1, failed_at = clock_timestamp()`,
      [keys],
    )
    return 0
  })
}

/** Seed of the hash, so that these advisory locks meet no others. */
const LOCKS = 7_313_001

/** Seconds until the next try may be judged; 0 where one may be now. */
export async function waitOf(db: Metadata, counted: readonly Counted[]): Promise<number> {
  const { rows } = await db.query<{ wait: number | null }>(
    `select max(least(${LONGEST_WAIT_S}, power(2, least(failures - free, 20)))
       - extract(epoch from clock_timestamp() - failed_at))::float8 as wait
     from metadata.login_attempt join unnest($1::text[], $2::int[]) f (key, free) using (key)
     where failures >= free and failed_at > now() - interval '${FORGOTTEN}'`,
    [counted.map(({ key }) => key), counted.map(({ free }) => free)],
  )
  return Math.max(0, Math.ceil(rows[0]?.wait ?? 0))
}

/** It was the right password after all. */
export async function forgetTry(db: Metadata, [account, address]: Guess): Promise<void> {
  await db.query(
    `with forgotten as (delete from metadata.login_attempt where key = $1 or (key = $2 and failures <= 1))
     update metadata.login_attempt set failures = failures - 1 where key = $2 and failures > 1`,
    [account.key, address.key],
  )
}
