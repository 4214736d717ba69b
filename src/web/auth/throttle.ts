import type { Metadata } from '../../metadata/metadata.ts'
import { networkOf } from './seen-from.ts'

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

/** A try to sign in counts for the account and for where it comes from. */
export function loginTry(account: string, address: string): readonly [account: Counted, address: Counted] {
  return [
    { key: `account:${account.slice(0, 100)}`, free: FREE.account },
    { key: `address:${wholeOf(address)}`, free: FREE.address },
  ]
}

/** Apart from logins: a program left with an old address keeps asking, and must keep nobody there from signing in. */
export function calendarTry(address: string): readonly Counted[] {
  return [{ key: `calendar:${wholeOf(address)}`, free: FREE.calendar }]
}

/** Of IPv6 the network, which is what one person has of it. */
function wholeOf(address: string): string {
  return (address.includes('.') ? address : networkOf(address)).slice(0, 100)
}

/**
 * Notes a try as failed before it is judged, so that many at once are counted too. Returns how many seconds to wait
 * where it comes too soon (nothing is noted then), 0 where it may be judged.
 */
export async function noteTry(db: Metadata, counted: readonly Counted[]): Promise<number> {
  await db.query(`delete from metadata.login_attempt where failed_at < now() - interval '${FORGOTTEN}'`)
  return await db.transaction(async (tx) => {
    const keys = counted.map(({ key }) => key)
    const { rows } = await tx.query<{ wait: number | null }>(
      `with noted as (
         insert into metadata.login_attempt as a (key, failures) select unnest($1::text[]), 0 order by 1
         on conflict (key) do update set failures = a.failures
         returning key, failures, failed_at
       )
       select max(case when failures >= free
         then least(${LONGEST_WAIT_S}, power(2, least(failures - free, 20))) - extract(epoch from clock_timestamp() - failed_at)
         end)::float8 as wait
       from noted join unnest($1::text[], $2::int[]) f (key, free) using (key)`,
      [keys, counted.map(({ free }) => free)],
    )
    const wait = Math.ceil(rows[0]?.wait ?? 0)
    if (wait > 0) return wait
    await tx.query(
      `update metadata.login_attempt set failures = failures + 1, failed_at = clock_timestamp() where key = any($1::text[])`,
      [keys],
    )
    return 0
  })
}

/** It was the right password after all. */
export async function forgetTry(db: Metadata, [account, address]: ReturnType<typeof loginTry>): Promise<void> {
  await db.query(
    `with forgotten as (delete from metadata.login_attempt where key = $1)
     update metadata.login_attempt set failures = greatest(0, failures - 1) where key = $2`,
    [account.key, address.key],
  )
}
