import type { Metadata } from '../../metadata/metadata.ts'
import { networkKey } from '../address.ts'

/** This many failures cause no wait. Each further failure doubles the wait, from one second to five minutes. */
const FREE = { account: 5, address: 20, calendar: 20 }
const LONGEST_WAIT_S = 300
/** Failures are deleted after this time without a new failure. */
const FORGOTTEN = '1 hour'

/** A key under which failures are counted. */
export interface Counter {
  key: string
  /** Failures without a wait. */
  free: number
}

export type Guess = readonly [account: Counter, address: Counter]

/** A login is counted for the account and for the address. */
export function loginGuess(account: string, address: string): Guess {
  return guess('account', account, address)
}

/**
 * A guess of the current password, which the user enters to change it. Counted separately from logins, so that failed
 * logins by a stranger who only knows the name do not stop the user from changing the password.
 */
export function passwordGuess(account: string, address: string): Guess {
  return guess('password', account, address)
}

function guess(kind: string, account: string, address: string): Guess {
  return [
    { key: `${kind}:${account.slice(0, 100)}`, free: FREE.account },
    { key: `address:${networkKey(address)}`, free: FREE.address },
  ]
}

/** Counted separately from logins: a program that repeats a revoked token must not block logins from its address. */
export function calendarGuess(address: string): readonly Counter[] {
  return [{ key: `calendar:${networkKey(address)}`, free: FREE.calendar }]
}

/**
 * Counts a try as failed before it is checked, so that parallel tries are counted too. Returns 0 if the try may be
 * checked, else the seconds to wait. A try that must wait is not counted and leaves no row.
 */
export async function countTry(db: Metadata, counters: readonly Counter[]): Promise<number> {
  await db.query(`delete from metadata.login_attempt where failed_at < now() - interval '${FORGOTTEN}'`)
  return await db.transaction(async (tx) => {
    const keys = counters.map(({ key }) => key)
    await tx.query(
      `select pg_advisory_xact_lock(lock)
       from (select distinct hashtextextended(key, ${LOCKS}) as lock from unnest($1::text[]) key order by lock) l`,
      [keys],
    )
    const wait = await waitOf(tx, counters)
    if (wait > 0) return wait
    await tx.query(
      `insert into metadata.login_attempt as a (key, failures, failed_at) select unnest($1::text[]), 1, clock_timestamp()
       on conflict (key) do update set failures = a.failures + 1, failed_at = clock_timestamp()`,
      [keys],
    )
    return 0
  })
}

/** Seed of the hash, so that these advisory locks do not collide with others. */
const LOCKS = 7_313_001

/** Seconds until the next try may be checked; 0 if it may be checked now. */
export async function waitOf(db: Metadata, counters: readonly Counter[]): Promise<number> {
  const { rows } = await db.query<{ wait: number | null }>(
    `select max(least(${LONGEST_WAIT_S}, power(2, least(failures - free, 20)))
       - extract(epoch from clock_timestamp() - failed_at))::float8 as wait
     from metadata.login_attempt join unnest($1::text[], $2::int[]) f (key, free) using (key)
     where failures >= free and failed_at > now() - interval '${FORGOTTEN}'`,
    [counters.map(({ key }) => key), counters.map(({ free }) => free)],
  )
  return Math.max(0, Math.ceil(rows[0]?.wait ?? 0))
}

/** Undoes `countTry` after a correct password. */
export async function uncountTry(db: Metadata, [account, address]: Guess): Promise<void> {
  await db.query(
    `with forgotten as (delete from metadata.login_attempt where key = $1 or (key = $2 and failures <= 1))
     update metadata.login_attempt set failures = failures - 1 where key = $2 and failures > 1`,
    [account.key, address.key],
  )
}
