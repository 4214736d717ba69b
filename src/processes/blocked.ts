import type { Suspect } from '../pulse.ts'

/** Without a beat for this long, the main thread counts as blocked. */
const BLOCKED_AFTER_MS = 2_000
/**
 * Without a beat for this long, this thread asks the main thread whose code is executing. It repeats the question,
 * because one block may follow another.
 */
const IDENTIFY_AFTER_MS = 1_000
const IDENTIFY_EVERY_MS = 5_000
/** If this thread itself wakes up this late, the whole process was stopped. */
const LATE_MS = 1_000
const AFTER_LIMIT_MS = 10_000
const WITHOUT_LIMIT_MS = 600_000

/** Decides from the beats of the main thread whether it is blocked. All times in ms of the monotonic clock. */
export class MainThread {
  #beats = -1
  #since = 0
  #now = 0
  #identifiedAt = Number.NEGATIVE_INFINITY
  #by: Suspect | undefined

  /** @param lateMs how many ms later than planned this check runs */
  look(beats: number, now: number, lateMs: number): void {
    this.#now = now
    if (beats === this.#beats && lateMs < LATE_MS) return
    this.#beats = beats
    this.#since = now
    this.#identifiedAt = Number.NEGATIVE_INFINITY
    this.#by = undefined
  }

  get #silentMs(): number {
    return this.#now - this.#since
  }

  /** True if the caller should now identify the try that blocks. */
  get isUnknown(): boolean {
    const isOld = this.#now - this.#identifiedAt >= IDENTIFY_EVERY_MS
    return this.#silentMs >= IDENTIFY_AFTER_MS && (isOld || this.isOverdue)
  }

  /** The start of the block. It moves forward if another try is found to be the cause. */
  identified(by: Suspect | undefined): void {
    if (this.#identifiedAt > Number.NEGATIVE_INFINITY && nameOf(by) !== nameOf(this.#by)) this.#since = this.#now
    this.#identifiedAt = this.#now
    this.#by = by
  }

  get blocked(): { ms: number; by: Suspect | undefined } | undefined {
    return this.#silentMs < BLOCKED_AFTER_MS ? undefined : { ms: this.#silentMs, by: this.#by }
  }

  /** True if the main thread has been blocked for so long that the process must end. */
  get isOverdue(): boolean {
    const limit = this.#by?.limitMs
    return this.#silentMs > (limit === undefined ? WITHOUT_LIMIT_MS : limit + AFTER_LIMIT_MS)
  }
}

/** The blocking task as `dag/task`; null if it is unknown. */
export function nameOf(by: Suspect | undefined): string | null {
  return by === undefined ? null : `${by.dagId}/${by.taskId}`
}
