/** The calls that Launch Library allows an address or a key in a sliding window. */
export interface Quota {
  limit: number
  windowSeconds: number
  /** The limit with a key (`Authorization: Token …`); default: `limit`. */
  limitWithToken?: number
  now?: () => Date
}

/** Counts calls by address or key. */
export class CallCount {
  readonly #quota: Required<Quota>
  /** The calls within the window by caller, in milliseconds since 1970. */
  readonly #calls = new Map<string, number[]>()

  constructor(quota: Quota) {
    this.#quota = { limitWithToken: quota.limit, now: () => new Date(), ...quota }
  }

  /** Counts a call, unless it is refused. Returns undefined if it is allowed, else the seconds until the next allowed call. */
  take(token: string | undefined): number | undefined {
    const calls = this.#counted(token)
    const wait = this.#waitSeconds(calls, token)
    if (wait > 0) return wait
    calls.push(this.#quota.now().getTime())
    return undefined
  }

  /** The answer of `/api-throttle/`, whose calls are not counted. */
  report(token: string | undefined) {
    const calls = this.#counted(token)
    return {
      your_request_limit: this.#limit(token),
      limit_frequency_secs: this.#quota.windowSeconds,
      current_use: calls.length,
      next_use_secs: this.#waitSeconds(calls, token),
      ident: token ?? '127.0.0.1',
    }
  }

  #counted(token: string | undefined): number[] {
    const caller = token ?? '127.0.0.1'
    const since = this.#quota.now().getTime() - this.#quota.windowSeconds * 1000
    const calls = (this.#calls.get(caller) ?? []).filter((at) => at > since)
    this.#calls.set(caller, calls)
    return calls
  }

  #waitSeconds(calls: number[], token: string | undefined): number {
    const [oldest] = calls
    if (oldest === undefined || calls.length < this.#limit(token)) return 0
    return Math.ceil((oldest - this.#quota.now().getTime()) / 1000 + this.#quota.windowSeconds)
  }

  #limit(token: string | undefined): number {
    return token === undefined ? this.#quota.limit : this.#quota.limitWithToken
  }
}
