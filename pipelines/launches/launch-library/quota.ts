import { createHash } from 'node:crypto'
import { type TaskContext, TminusError } from 'tminus'
import type { Http } from 'tminus/connectors/http'
import { type Database, inTransaction } from 'tminus/db'
import { z } from 'zod'
import { throttleUrl } from './addresses.ts'
import {
  afterCall,
  afterRefusal,
  afterReport,
  type CallsLeft,
  type Circumstances,
  callsLeft,
  type Decision,
  decide,
  type Limit,
  mayAsk,
  type Quota,
  quotaAt,
  type ThrottleAnswer,
} from './quota-rule.ts'
import { lockQuota, readQuota, saveQuota } from './quota-store.ts'

/** Thrown when the quota is used up: no call was made, or Launch Library answered it with 429. */
export class QuotaExhausted extends TminusError {
  /** When the next call may succeed, by the task's clock. */
  readonly until: Date

  constructor(until: Date, { token, cause }: { token: boolean; cause?: unknown }) {
    // Round up, so that a call in the second that the message names may succeed.
    const second = new Date(Math.ceil(until.getTime() / 1_000) * 1_000).toISOString().replace('.000', '')
    const wait = `wait until ${second}`
    super(`The quota of Launch Library is used up; ${wait}${token ? '' : ', or set LAUNCH_LIBRARY_TOKEN'}`, {
      code: 'launch_library_throttled',
      cause,
      fields: { until: until.toISOString() },
    })
    this.until = until
  }
}

export interface Budget {
  /**
   * Takes one call from the quota that all processes share. Use it right before the request: a failed request counts
   * too. Throws QuotaExhausted if no call is left beyond the reserve.
   */
  take(): Promise<void>
  /** Records a 429 and returns the time before which no process makes a call. */
  recordRefusal(retryAfterMs: number | undefined): Promise<Date>
  left(): Promise<Left>
}

/** The calls that are left beyond the reserve. */
export interface Left {
  /** Undefined if no limit is known. */
  calls: number | undefined
  /** The time when more calls are available; set only if no call is left. */
  until: Date | undefined
  limit: number | undefined
  windowSeconds: number | undefined
}

export interface BudgetOptions {
  db: Database
  http: Http
  /** The value of LAUNCH_LIBRARY_URL, which ends with the version. */
  baseUrl: string
  /** `LAUNCH_LIBRARY_TOKEN`; each token has its own quota. */
  token: string | undefined
  signal: AbortSignal
  /** `context.now`, the clock of all times in the quota. */
  now: () => Date
  log: TaskContext['log']
  /**
   * The number of calls to leave unused if the limit is 15 an hour. If the limit is smaller, proportionally fewer.
   * Default 3.
   */
  reserve?: number
}

const RESERVE = 3

/** The quota of one caller. All processes share it through a row that each call locks for a moment. */
export function openBudget(options: BudgetOptions): Budget {
  const { db, token, now, reserve = RESERVE } = options
  const caller = callerOf(options)
  const circumstances = (): Circumstances => ({ now: now().getTime(), reserve, assumed: assumedLimit(options) })
  const change = <T>(work: (quota: Quota, circumstances: Circumstances) => [Quota, T]): Promise<T> =>
    inTransaction(db, async (connection) => {
      const known = await lockQuota(connection, caller)
      // Read the clock after the lock is acquired: its previous holder may have made a call while this process waited.
      const around = circumstances()
      const [quota, result] = work(quotaAt(known, around), around)
      await saveQuota(connection, caller, quota)
      return result
    })
  const ask = async () => {
    const at = now().getTime()
    const answer = await askThrottle(options)
    await change((quota) => [afterReport(quota, answer, at), undefined])
  }
  const decided = (askFirst: boolean) =>
    change<Decision>((quota, around) => {
      const decision = decide(quota, { ...around, askFirst })
      return [decision.kind === 'take' ? afterCall(quota, around.now) : quota, decision]
    })

  const read = async () => quotaAt(await readQuota(db, caller), circumstances())

  return {
    async take() {
      let decision = await decided(true)
      if (decision.kind === 'ask') {
        await ask()
        decision = await decided(false)
      }
      if (decision.kind === 'wait') throw new QuotaExhausted(new Date(decision.until), { token: token !== undefined })
    },
    async recordRefusal(retryAfterMs) {
      if (mayAsk(await read(), now().getTime())) await ask()
      return await change((quota, around) => {
        const after = afterRefusal(quota, retryAfterMs, around)
        return [after, new Date(after.refusedUntil)]
      })
    },
    async left() {
      if (decide(await read(), { ...circumstances(), askFirst: true }).kind === 'ask') await ask()
      return leftOf(callsLeft(await read(), circumstances()))
    },
  }
}

/** The calls that are left according to the last report and our own calls. Sends no request to Launch Library. */
export async function lastKnownQuota(options: Pick<BudgetOptions, 'db' | 'baseUrl' | 'token' | 'now'>): Promise<Left> {
  const circumstances = { now: options.now().getTime(), reserve: RESERVE, assumed: assumedLimit(options) }
  const quota = quotaAt(await readQuota(options.db, callerOf(options)), circumstances)
  return leftOf(callsLeft(quota, circumstances))
}

function leftOf({ calls, until, known }: CallsLeft): Left {
  return {
    calls,
    until: calls === 0 ? new Date(until) : undefined,
    limit: known?.limit,
    windowSeconds: known && known.windowMs / 1_000,
  }
}

/** Launch Library counts calls by IP address, or by key. */
function callerOf({ baseUrl, token }: Pick<BudgetOptions, 'baseUrl' | 'token'>): string {
  const { host } = new URL(baseUrl)
  if (token === undefined) return host
  return `${host} key ${createHash('sha256').update(`${host} ${token}`).digest('hex').slice(0, 16)}`
}

/**
 * 15 calls an hour without a key (https://ll.thespacedevs.com/docs). For other hosts, only a report gives the limit.
 */
function assumedLimit({ baseUrl, token }: Pick<BudgetOptions, 'baseUrl' | 'token'>): Limit | undefined {
  const known = /(^|\.)thespacedevs\.com$/.test(new URL(baseUrl).hostname)
  return known && token === undefined ? { limit: 15, windowMs: 3_600_000 } : undefined
}

const Throttle = z.object({
  your_request_limit: z.int().positive().max(1_000_000),
  limit_frequency_secs: z
    .number()
    .positive()
    .max(31 * 86_400),
  current_use: z.int().nonnegative().max(1_000_000),
  next_use_secs: z.number().nullish(),
})
/** The specification says array, the API returns an object. This drops `ident`, the caller's address or key. */
const ThrottleResponse = z.union([Throttle, z.tuple([Throttle]).transform(([only]) => only)])

/** Requests `/api-throttle/`, which costs no call. Returns undefined if the request fails; never throws. */
async function askThrottle({ http, baseUrl, token, signal, log }: BudgetOptions): Promise<ThrottleAnswer | undefined> {
  const url = throttleUrl(baseUrl)
  const headers: Record<string, string> = token ? { authorization: `Token ${token}` } : {}
  try {
    const answer = ThrottleResponse.parse(
      await http.getJson(url, { headers, signal, timeoutMs: 5_000, maxBytes: 65_536 }),
    )
    return {
      limit: answer.your_request_limit,
      windowMs: answer.limit_frequency_secs * 1_000,
      use: answer.current_use,
      nextMs: (answer.next_use_secs ?? 0) * 1_000,
    }
  } catch (error) {
    if (signal.aborted) throw error
    log.debug(`${url.host} does not report its quota`, { code: error instanceof TminusError ? error.code : 'shape' })
    return undefined
  }
}
