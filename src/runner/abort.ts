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
