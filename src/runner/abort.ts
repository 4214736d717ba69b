/**
 * An AbortController that reports its abort without a signal. Creating a signal is most of the cost of a short try, and
 * few tasks use theirs.
 */
export class Abort extends AbortController {
  reason: Error | undefined
  onAbort: ((reason: Error) => void) | undefined

  /** Only the first call has an effect. */
  override abort(reason: Error): void {
    if (this.reason !== undefined) return
    this.reason = reason
    super.abort(reason)
    this.onAbort?.(reason)
  }

  throwIfAborted(): void {
    if (this.reason !== undefined) throw this.reason
  }
}
