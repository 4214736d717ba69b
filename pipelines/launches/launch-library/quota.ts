import { createHash } from 'node:crypto'
import { type TaskContext, TminusError } from 'tminus'
import type { Http } from 'tminus/connectors/http'
import { type Database, inTransaction } from 'tminus/db'
import { z } from 'zod'
import { throttleUrl } from './addresses.ts'
import {
  type Answer,
  answered,
  type Circumstances,
  current,
  type Decision,
  decide,
  type Limit,
  mayAsk,
  type Quota,
  refused,
  type Standing,
  standing,
  taken,
} from './quota-rule.ts'
import { lockQuota, readQuota, saveQuota } from './quota-store.ts'

/** The quota is used up: nothing was asked, or the answer was 429. */
export class QuotaSpent extends TminusError {
  /** When the next call is worth a try, by the clock of the task. */
  readonly until: Date

  constructor(until: Date, { token, cause }: { token: boolean; cause?: unknown }) {
    // Rounded up: at the second told it is worth a try.
    const second = new Date(Math.ceil(until.getTime() / 1_000) * 1_000).toISOString().replace('.000', '')
    const wait = `wait until ${second}`
    super(
      `Launch Library takes no further call: its quota is used up; ${wait}${token ? '' : ', or set LAUNCH_LIBRARY_TOKEN'}`,
      { code: 'launch_library_throttled', cause, fields: { until: until.toISOString() } },
    )
    this.until = until
  }
}

export interface Budget {
  /**
   * Takes one call from the quota that all processes share. Call it right before the request; a call that then fails
   * counts all the same. Throws QuotaSpent where none is left beyond the reserve.
   */
  take(): Promise<void>
  /** Told of a 429: nobody asks again before then. Returns when. */
  refused(retryAfterMs: number | undefined): Promise<Date>
  /** What is left beyond the reserve, as far as known; `calls` undefined: no limit is. `until` only where none is left. */
  left(): Promise<Left>
}

export interface Left {
  calls: number | undefined
  until: Date | undefined
  limit: number | undefined
  windowSeconds: number | undefined
}

export interface BudgetOptions {
  db: Database
  http: Http
  /** `LAUNCH_LIBRARY_URL`: up to and with the version. */
  baseUrl: string
  /** `LAUNCH_LIBRARY_TOKEN`; has a quota of its own. */
  token: string | undefined
  signal: AbortSignal
  /** `context.now`: the quota's windows follow it. */
  now: () => Date
  log: TaskContext['log']
  /** Calls left alone, of the 15 an hour without a key; of a smaller limit in proportion. Default 3. */
  reserve?: number
}

const RESERVE = 3

/** The quota of one caller, shared by all processes through a row that is locked for a moment at each call. */
export function openBudget(options: BudgetOptions): Budget {
  const { db, token, now, reserve = RESERVE } = options
  const caller = callerOf(options)
  const circumstances = (): Circumstances => ({ now: now().getTime(), reserve, assumed: assumedLimit(options) })
  const change = <T>(work: (quota: Quota, circumstances: Circumstances) => [Quota, T]): Promise<T> =>
    inTransaction(db, async (connection) => {
      const known = await lockQuota(connection, caller)
      // Not before the lock: whoever held it may have called later than we began to wait.
      const around = circumstances()
      const [quota, result] = work(current(known, around), around)
      await saveQuota(connection, caller, quota)
      return result
    })
  const ask = async () => {
    const at = now().getTime()
    const answer = await askThrottle(options)
    await change((quota) => [answered(quota, answer, at), undefined])
  }
  const decided = (askFirst: boolean) =>
    change<Decision>((quota, around) => {
      const decision = decide(quota, { ...around, askFirst })
      return [decision.kind === 'take' ? taken(quota, around.now) : quota, decision]
    })

  const read = async () => current(await readQuota(db, caller), circumstances())

  return {
    async take() {
      let decision = await decided(true)
      if (decision.kind === 'ask') {
        await ask()
        decision = await decided(false)
      }
      if (decision.kind === 'wait') throw new QuotaSpent(new Date(decision.until), { token: token !== undefined })
    },
    async refused(retryAfterMs) {
      if (mayAsk(await read(), now().getTime())) await ask()
      return await change((quota, around) => {
        const after = refused(quota, retryAfterMs, around)
        return [after, new Date(after.refusedUntil ?? around.now)]
      })
    },
    async left() {
      if (decide(await read(), { ...circumstances(), askFirst: true }).kind === 'ask') await ask()
      return leftOf(standing(await read(), circumstances()))
    },
  }
}

/** What is left as last known: asks nobody. */
export async function lastKnown(options: Pick<BudgetOptions, 'db' | 'baseUrl' | 'token' | 'now'>): Promise<Left> {
  const circumstances = { now: options.now().getTime(), reserve: RESERVE, assumed: assumedLimit(options) }
  const quota = current(await readQuota(options.db, callerOf(options)), circumstances)
  return leftOf(standing(quota, circumstances))
}

function leftOf({ calls, until, known }: Standing): Left {
  return {
    calls,
    until: calls === 0 ? new Date(until) : undefined,
    limit: known?.limit,
    windowSeconds: known && known.windowMs / 1_000,
  }
}

/** Launch Library counts by address, and by key. */
function callerOf({ baseUrl, token }: Pick<BudgetOptions, 'baseUrl' | 'token'>): string {
  const { host } = new URL(baseUrl)
  if (token === undefined) return host
  return `${host} key ${createHash('sha256').update(`${host} ${token}`).digest('hex').slice(0, 16)}`
}

/** https://ll.thespacedevs.com/docs: 15 calls an hour without a key. What other hosts allow they must tell. */
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
/** The specification says array, the API gives an object. `ident`, the caller's address or key, is left behind here. */
const ThrottleAnswer = z.union([Throttle, z.tuple([Throttle]).transform(([only]) => only)])

/** What `/api-throttle/` tells, which costs no call; undefined where it tells nothing: that is never an error. */
async function askThrottle({ http, baseUrl, token, signal, log }: BudgetOptions): Promise<Answer | undefined> {
  const url = throttleUrl(baseUrl)
  const headers: Record<string, string> = token ? { authorization: `Token ${token}` } : {}
  try {
    const told = ThrottleAnswer.parse(await http.getJson(url, { headers, signal, timeoutMs: 5_000, maxBytes: 65_536 }))
    return {
      limit: told.your_request_limit,
      windowMs: told.limit_frequency_secs * 1_000,
      use: told.current_use,
      nextMs: (told.next_use_secs ?? 0) * 1_000,
    }
  } catch (error) {
    if (signal.aborted) throw error
    log.debug(`${url.host} does not tell its quota`, { code: error instanceof TminusError ? error.code : 'shape' })
    return undefined
  }
}
