/**
 * An AbortController that tells of its abort without a signal too: making one is most of what a short try costs, and
 * few tasks ever look at theirs.
 */
export class Abort extends AbortController {
  reason: Error | undefined
  onAbort: ((reason: Error) => void) | undefined

  /** Only the first one counts. */
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
