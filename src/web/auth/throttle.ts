import type { Metadata } from '../../metadata/metadata.ts'

/** Failures that cost nothing; each further one doubles the wait, from a second to five minutes. */
const FREE = { account: 5, address: 20 }
const LONGEST_WAIT_S = 300
/** After so long without a failure they are forgotten. */
const FORGOTTEN = '1 hour'

/**
 * Notes a try to sign in as failed before it is judged, so that many at once are counted too. Returns how many seconds to
 * wait where it comes too soon (nothing is noted then), 0 where it may be judged.
 */
export async function noteTry(db: Metadata, account: string, address: string): Promise<number> {
  await db.query(`delete from metadata.login_attempt where failed_at < now() - interval '${FORGOTTEN}'`)
  return await db.transaction(async (tx) => {
    const keys = keysOf(account, address)
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
      [keys, [FREE.account, FREE.address]],
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

/** It was the right one after all. */
export async function forgetTry(db: Metadata, account: string, address: string): Promise<void> {
  const [own, from] = keysOf(account, address)
  await db.query(
    `with forgotten as (delete from metadata.login_attempt where key = $1)
     update metadata.login_attempt set failures = greatest(0, failures - 1) where key = $2`,
    [own, from],
  )
}

/** Of IPv6 the network, which is what one person has of it. */
function keysOf(account: string, address: string): [string, string] {
  const network = address.includes(':') && !address.includes('.') ? address.split(':').slice(0, 4).join(':') : address
  return [`account:${account.slice(0, 100)}`, `address:${network.slice(0, 100)}`]
}
