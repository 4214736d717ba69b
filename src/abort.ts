import { setTimeout as delay } from 'node:timers/promises'

/**
 * A task that does not end within this time after its abort is abandoned. If it returns later, its result is refused.
 */
export const ABANDON_AFTER_MS = 10_000

/**
 * An AbortController that reports its abort without a signal. Creating a signal is most of the cost of a short try, and
 * few tasks use it.
 */
export class Abort extends AbortController {
  reason: Error | undefined
  onAbort: ((reason: Error, atOnce: boolean) => void) | undefined
  /**
   * Calls the listeners of the signal. This replaces Node's method, so that errors in listeners count as errors of the
   * try.
   */
  run = (listeners: () => void): void => listeners()
  /** Set by an abort `atOnce`: resolves when the code has ended or is abandoned. */
  codeEnded: Promise<unknown> | undefined

  /**
   * Only the first call has an effect; later calls return false. With `atOnce`, the caller does not wait for the end of
   * the code.
   */
  override abort(reason: Error, atOnce = false): boolean {
    if (this.reason !== undefined) return false
    this.reason = reason
    this.run(() => super.abort(reason))
    this.onAbort?.(reason, atOnce)
    return true
  }

  throwIfAborted(): void {
    if (this.reason !== undefined) throw this.reason
  }
}

/** Waits for the work, but at most ABANDON_AFTER_MS after an abort. Aborted work never succeeds. */
export async function untilAbandoned<T>(work: () => Promise<T>, abort: Abort): Promise<T> {
  abort.throwIfAborted()
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<T>((resolve, reject) => {
      let code: Promise<T> | undefined
      abort.onAbort = (reason, atOnce) => {
        timer = setTimeout(reject, atOnce ? 0 : ABANDON_AFTER_MS, reason)
        if (atOnce) abort.codeEnded = Promise.race([code?.catch(() => {}), abandoned()])
      }
      code = work()
      code.then(resolve, reject)
    })
  } finally {
    abort.onAbort = undefined
    clearTimeout(timer)
    abort.throwIfAborted()
  }
}

const abandoned = () => delay(ABANDON_AFTER_MS, undefined, { ref: false })
