/**
 * An AbortController that reports its abort without a signal. Creating a signal is most of the cost of a short try, and
 * few tasks use theirs.
 */
export class Abort extends AbortController {
  reason: Error | undefined
  onAbort: ((reason: Error) => void) | undefined
  /** Calls the listeners of the signal; replaced so that their errors count as errors of the try. */
  run = (listeners: () => void): void => listeners()
  /** True after `fail`: the try ends at once, although its code may still run. */
  isFailed = false
  /** After `fail`: resolves when the code has ended or is abandoned. */
  codeEnded: Promise<unknown> = Promise.resolve()

  /** Only the first call has an effect. */
  override abort(reason: Error): void {
    if (this.reason !== undefined) return
    this.reason = reason
    this.run(() => super.abort(reason))
    this.onAbort?.(reason)
  }

  /** Aborts a try that has failed outside of what its code awaits. False if it was aborted already. */
  fail(reason: Error): boolean {
    if (this.reason !== undefined) return false
    this.isFailed = true
    this.abort(reason)
    return true
  }

  throwIfAborted(): void {
    if (this.reason !== undefined) throw this.reason
  }
}
