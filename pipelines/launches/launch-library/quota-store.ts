import type { Connection, Queryable } from 'tminus/db'
import type { Quota, Report } from './quota-rule.ts'

interface Row {
  reportAt: Date | null
  limit: number | null
  windowMs: number | null
  others: number | null
  nextAt: Date | null
  askFailedAt: Date | null
  refusedUntil: Date | null
  calls: Date[]
}

const COLUMNS = `told_at as "reportAt", told_limit as "limit", (extract(epoch from told_window) * 1000)::float8 as "windowMs",
  told_others as "others", told_next_at as "nextAt", ask_failed_at as "askFailedAt", refused_until as "refusedUntil",
  calls`

/** A caller's quota, locked until the end of the transaction. Waits at most 10 s for the lock. */
export async function lockQuota(db: Connection, caller: string): Promise<Quota> {
  await db.query(`set local lock_timeout = '10s'`)
  const { rows } = await db.query<Row>(
    `insert into launch_library_quota (caller) values ($1)
     on conflict (caller) do update set caller = excluded.caller
     returning ${COLUMNS}`,
    [caller],
  )
  return toQuota(rows[0])
}

export async function readQuota(db: Queryable, caller: string): Promise<Quota> {
  const { rows } = await db.query<Row>(`select ${COLUMNS} from launch_library_quota where caller = $1`, [caller])
  return toQuota(rows[0])
}

function toQuota(row: Row | undefined): Quota {
  return {
    report: row && reportIn(row),
    askFailedAt: row?.askFailedAt?.getTime(),
    refusedUntil: row?.refusedUntil?.getTime(),
    calls: row?.calls.map((call) => call.getTime()) ?? [],
  }
}

function reportIn({ reportAt, limit, windowMs, others, nextAt }: Row): Report | undefined {
  if (reportAt === null || limit === null || windowMs === null || others === null) return undefined
  return { at: reportAt.getTime(), limit, windowMs, others, nextAt: nextAt?.getTime() }
}

/** Writes the row that `lockQuota` locked. */
export async function saveQuota(db: Connection, caller: string, quota: Quota): Promise<void> {
  const { report, askFailedAt, refusedUntil, calls } = quota
  await db.query(
    `update launch_library_quota
     set told_at = $2, told_limit = $3, told_window = $4 * interval '1 ms', told_others = $5, told_next_at = $6,
       ask_failed_at = $7, refused_until = $8, calls = $9
     where caller = $1`,
    [
      caller,
      timestamp(report?.at),
      report?.limit ?? null,
      report?.windowMs ?? null,
      report?.others ?? null,
      timestamp(report?.nextAt),
      timestamp(askFailedAt),
      timestamp(refusedUntil),
      calls.map((call) => timestamp(call)),
    ],
  )
}

function timestamp(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}
