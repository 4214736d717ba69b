import { isOutage } from '../../db/outage.ts'
import type { Logger } from '../../log.ts'
import { type Limits, Shares } from '../shares.ts'

/**
 * For each key a mark that changes with what a page shows of it, all read in one statement. A key that is not there is
 * missing from the answer.
 */
export type ReadMarks = (keys: readonly string[]) => Promise<ReadonlyMap<string, string>>

export interface LiveOptions {
  /** By the kind of thing that is followed. */
  readers: Readonly<Record<string, ReadMarks>>
  /** Of these sessions those that are open still. */
  openSessions: (sessions: readonly string[]) => Promise<ReadonlySet<string>>
  log: Logger
  /** Between two looks. Default 1 s. */
  everyMs?: number
  /** Followers at once. Default 1,000. */
  most?: number
}

export interface Following {
  kind: string
  key: string
  /** The mark of what it shows, '' for none. */
  seen: string
  /** By which `openSessions` knows it. */
  session: string
  /** How many streams the user and the address may have at once. */
  limits?: Limits
}

interface Follower extends Following {
  since: number
  release: () => void
  controller: ReadableStreamDefaultController<Uint8Array>
}

/** The browser connects again by itself, which counts as a use of its session. */
const LONGEST_MS = 10 * 60_000
const SIGN_OF_LIFE_EVERY_MS = 15_000
/** Bytes that wait for a reader who takes none. */
const MOST_WAITING = 16_384

/**
 * Tells open pages that what they show has changed, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 * An event holds a mark and nothing else: the page then fetches itself anew. So a connection that was lost needs no
 * memory of it here: the browser names the last mark it saw, and hears of it at once where that is no longer so.
 * Looks into the database only while somebody follows, once a second for all of them; a stream ends with its session.
 */
export class Live {
  readonly #options: LiveOptions
  readonly #followers = new Set<Follower>()
  readonly #shares = new Shares()
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #lastSign = Date.now()
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
      return new Response('Too many pages follow already', { status: 503, headers: { 'retry-after': '30' } })
    }
    const release = this.#shares.take(following.limits ?? {})
    if (release === undefined) {
      return new Response('Too many of your pages follow already', { status: 429, headers: { 'retry-after': '30' } })
    }
    let follower: Follower | undefined
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          follower = { ...following, since: Date.now(), release, controller }
          this.#followers.add(follower)
          controller.enqueue(encode('retry: 2000\n\n'))
          this.#timer ??= setInterval(() => void this.#look(), this.#options.everyMs ?? 1_000)
        },
        cancel: () => this.#leave(follower),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: 1_024 }),
    )
    void this.#look()
    const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' }
    return new Response(body, { headers })
  }

  /** Ends every stream; browsers come back by themselves. */
  close(): void {
    this.#closed = true
    for (const follower of this.#followers) this.#end(follower)
  }

  async #look(): Promise<void> {
    if (this.#looking || this.#followers.size === 0) return
    this.#looking = true
    try {
      await this.#dismiss()
      const kinds = new Set([...this.#followers].map(({ kind }) => kind))
      await Promise.all([...kinds].map((kind) => this.#lookAt(kind)))
    } catch (error) {
      if (!isOutage(error)) this.#options.log.error({ err: error }, 'looking for what pages follow failed')
    }
    this.#tidy()
    this.#looking = false
  }

  /** Before anything is told: who is signed out, here or by another process, is told nothing more. */
  async #dismiss(): Promise<void> {
    const asked = new Set([...this.#followers].map(({ session }) => session))
    const open = await this.#options.openSessions([...asked])
    for (const follower of this.#followers) {
      if (asked.has(follower.session) && !open.has(follower.session)) this.#end(follower)
    }
  }

  async #lookAt(kind: string): Promise<void> {
    const own = () => [...this.#followers].filter((follower) => follower.kind === kind)
    const marks = await this.#options.readers[kind]?.([...new Set(own().map(({ key }) => key))])
    for (const follower of own()) {
      const mark = marks?.get(follower.key)
      if (mark === undefined || mark === follower.seen) continue
      follower.seen = mark
      this.#send(follower, `id: ${mark}\nevent: changed\ndata: ${mark}\n\n`)
    }
  }

  #tidy(): void {
    const now = Date.now()
    const sign = now - this.#lastSign >= SIGN_OF_LIFE_EVERY_MS
    if (sign) this.#lastSign = now
    for (const follower of this.#followers) {
      if (now - follower.since >= LONGEST_MS) this.#end(follower)
      else if (sign) this.#send(follower, ': still here\n\n')
    }
  }

  #send(follower: Follower, text: string): void {
    if ((follower.controller.desiredSize ?? 0) < -MOST_WAITING) this.#end(follower)
    else follower.controller.enqueue(encode(text))
  }

  #end(follower: Follower): void {
    this.#leave(follower)
    follower.controller.close()
  }

  #leave(follower: Follower | undefined): void {
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
