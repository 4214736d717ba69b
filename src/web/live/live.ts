import { isOutage } from '../../db/outage.ts'
import type { Logger } from '../../log.ts'
import { type Limits, Shares } from '../shares.ts'

/**
 * Reads the marks of these keys in one statement. A mark changes whenever the data behind the key changes. Unknown keys
 * are missing from the result.
 */
export type ReadMarks = (keys: readonly string[]) => Promise<ReadonlyMap<string, string>>

export interface LiveOptions {
  /** By kind: `dags`, `dag`, `run`, `log`. */
  readers: Readonly<Record<string, ReadMarks>>
  /** Returns those of these sessions that are open. */
  openSessions: (sessions: readonly string[]) => Promise<ReadonlySet<string>>
  log: Logger
  /** Time between two checks. Default 1 s. */
  everyMs?: number
  /** Most followers at once. Default 1,000. */
  most?: number
}

export interface Following {
  kind: string
  key: string
  /** The mark of the data that the page shows; '' for none. */
  seen: string
  /** Its key for `openSessions`. */
  session: string
  /** Most streams of the user and of the address at once. */
  limits?: Limits
}

interface Follower extends Following {
  since: number
  release: () => void
  controller: ReadableStreamDefaultController<Uint8Array>
}

/** A stream ends after this time. Then the browser reconnects, and this counts as a use of its session. */
const LONGEST_MS = 10 * 60_000
const KEEP_ALIVE_EVERY_MS = 15_000
/** A stream is closed when its client has this many bytes unread. */
const MOST_WAITING = 16_384

/**
 * Notifies open pages of changes by server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html). An event contains only a mark; the page then
 * reloads its content. After a lost connection the browser sends the last mark it saw, and gets an event at once if the
 * mark has changed. The database is checked once a second for all followers, and not at all without followers. A stream
 * ends with its session.
 */
export class Live {
  readonly #options: LiveOptions
  readonly #followers = new Set<Follower>()
  readonly #shares = new Shares()
  #timer: NodeJS.Timeout | undefined
  #checking = false
  #lastKeepAlive = performance.now()
  #closed = false

  constructor(options: LiveOptions) {
    this.#options = options
  }

  get followers(): number {
    return this.#followers.size
  }

  knows(kind: string): boolean {
    return Object.hasOwn(this.#options.readers, kind)
  }

  follow(following: Following): Response {
    if (this.#closed || this.#followers.size >= (this.#options.most ?? 1_000)) {
      return new Response('Too many live pages are open', { status: 503, headers: { 'retry-after': '30' } })
    }
    const release = this.#shares.take(following.limits ?? {})
    if (release === undefined) {
      return new Response('Too many of your live pages are open', { status: 429, headers: { 'retry-after': '30' } })
    }
    let follower: Follower | undefined
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          follower = { ...following, since: performance.now(), release, controller }
          this.#followers.add(follower)
          controller.enqueue(encode('retry: 2000\n\n'))
          this.#timer ??= setInterval(() => void this.#check(), this.#options.everyMs ?? 1_000)
        },
        cancel: () => this.#remove(follower),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: 1_024 }),
    )
    void this.#check()
    const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' }
    return new Response(body, { headers })
  }

  /** Ends every stream; browsers reconnect by themselves. */
  close(): void {
    this.#closed = true
    for (const follower of this.#followers) this.#end(follower)
  }

  async #check(): Promise<void> {
    if (this.#checking || this.#followers.size === 0) return
    this.#checking = true
    try {
      await this.#endClosedSessions()
      const kinds = new Set([...this.#followers].map(({ kind }) => kind))
      await Promise.all([...kinds].map((kind) => this.#checkKind(kind)))
    } catch (error) {
      if (!isOutage(error)) this.#options.log.error({ err: error }, 'checking for changes of live pages failed')
    }
    this.#keepAlive()
    this.#checking = false
  }

  /** Ends the streams of closed sessions. Call this before you send any event. */
  async #endClosedSessions(): Promise<void> {
    const asked = new Set([...this.#followers].map(({ session }) => session))
    const open = await this.#options.openSessions([...asked])
    for (const follower of this.#followers) {
      if (asked.has(follower.session) && !open.has(follower.session)) this.#end(follower)
    }
  }

  async #checkKind(kind: string): Promise<void> {
    const own = () => [...this.#followers].filter((follower) => follower.kind === kind)
    const marks = await this.#options.readers[kind]?.([...new Set(own().map(({ key }) => key))])
    for (const follower of own()) {
      const mark = marks?.get(follower.key)
      if (mark === undefined || mark === follower.seen) continue
      follower.seen = mark
      this.#send(follower, `id: ${mark}\nevent: changed\ndata: ${mark}\n\n`)
    }
  }

  #keepAlive(): void {
    const now = performance.now()
    const isDue = now - this.#lastKeepAlive >= KEEP_ALIVE_EVERY_MS
    if (isDue) this.#lastKeepAlive = now
    for (const follower of this.#followers) {
      if (now - follower.since >= LONGEST_MS) this.#end(follower)
      else if (isDue) this.#send(follower, ': still here\n\n')
    }
  }

  #send(follower: Follower, text: string): void {
    if ((follower.controller.desiredSize ?? 0) < -MOST_WAITING) this.#end(follower)
    else follower.controller.enqueue(encode(text))
  }

  #end(follower: Follower): void {
    this.#remove(follower)
    follower.controller.close()
  }

  #remove(follower: Follower | undefined): void {
    if (follower !== undefined) this.#followers.delete(follower)
    follower?.release()
    if (this.#followers.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

const encoder = new TextEncoder()

function encode(text: string): Uint8Array {
  return encoder.encode(text)
}
