import { TminusError } from '../errors.ts'

/** Thrown by `skip`: the task instance ends `skipped`. */
export class Skipped extends TminusError {
  override readonly name = 'Skipped'
  /** True: all tasks downstream are skipped too, even if their trigger rule would let them run. */
  readonly downstream: boolean

  constructor(reason: string, downstream = false) {
    super(reason, { code: 'skipped' })
    this.downstream = downstream
  }
}

/** Thrown by `rescheduleAt`: the task instance releases its slot until `at`. The try does not count as a failure. */
export class Rescheduled extends TminusError {
  override readonly name = 'Rescheduled'
  readonly at: Date

  constructor(at: Date, reason: string) {
    super(reason, { code: 'rescheduled' })
    this.at = new Date(at)
    if (!Number.isNaN(this.at.getTime())) return
    throw new TminusError('rescheduleAt() needs a date, and this one is invalid', { code: 'failed', retryable: false })
  }
}

/**
 * `throw skip('nothing to do')`: ends the task as skipped. `throw skip.downstream('no new files')`: also skips all tasks
 * downstream, even if their trigger rule would let them run.
 */
export const skip = Object.assign((reason: string) => new Skipped(reason), {
  downstream: (reason: string) => new Skipped(reason, true),
})

/** `throw fail('wrong address')`: ends the task as failed, without a retry. */
export function fail(reason: string, options: { cause?: unknown } = {}): TminusError {
  return new TminusError(reason, { code: 'failed', retryable: false, ...options })
}

/** `throw rescheduleAt(date, 'quota spent')`: starts the task again at that time, measured by `context.now()`. */
export function rescheduleAt(at: Date, reason: string): Rescheduled {
  return new Rescheduled(at, reason)
}
