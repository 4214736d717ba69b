import { randomBytes } from 'node:crypto'
import { ABANDON_AFTER_MS } from '../abort.ts'
import type { LogLevel } from '../dag/task.ts'
import { MOST, storableText } from '../db/text.ts'
import { isRetryable, messageOf, TminusError } from '../errors.ts'
import type { Ending, LoggedLine } from '../metadata/transitions.ts'
import { MAX_TIMER_MS } from '../pulse.ts'
import { endingOf, timedOut } from '../runner/execute.ts'
import type { Attempt } from '../runner/executor.ts'
import type { Child, ChildListener, Death } from './child.ts'
import { BESIDE_HEAP_MB } from './parent-watch.ts'
import type { Opening, Report } from './protocol.ts'

export interface TryOptions {
  opening: Opening
  now(): Date
  scrub(text: string): string
  /** Called when the child has loaded the dag. */
  opened(): void
  /** Logs an error that belongs to no running try. */
  logLate(error: string): void
}

const LATE_MS = 250
/** This is longer than the child's own limit for a dag that blocks while it loads. */
const LOAD_MS = 60_000
/** After a try, its output and the child's state must arrive within this time. Otherwise the child is ended. */
const SETTLE_MS = 1_000

/** The parent's side of a try in a child. */
export class IsolatedTry implements ChildListener {
  readonly #child: Child
  readonly #attempt: Attempt
  readonly #options: TryOptions
  readonly #endMark = randomBytes(16).toString('hex')
  readonly #timers: (NodeJS.Timeout | undefined)[] = []
  #resolve: (ending: Ending) => void = () => {}
  #ending: Ending | undefined
  #left: string | null | undefined
  #marks = 0
  #isHeapFull = false
  #isReading = false
  #isOver = false

  constructor(child: Child, attempt: Attempt, options: TryOptions) {
    this.#child = child
    this.#attempt = attempt
    this.#options = options
  }

  /** True if the child can execute another try. */
  get isClean(): boolean {
    return this.#left === null && this.#marks === 2
  }

  /** Resolves when the try has ended. If the child must not be used again, ends the child. */
  execute(): Promise<Ending> {
    const { abort } = this.#attempt
    abort.onAbort = (reason, atOnce) => this.#aborted(reason, atOnce)
    this.#child.listen(this, this.#endMark)
    return new Promise((resolve) => {
      this.#resolve = resolve
      if (this.#child.codeVersion === undefined) this.#open()
      else void this.#start()
    })
  }

  reported(report: Report): void {
    if (report.kind === 'opened') this.#opened()
    else if (report.kind === 'refused') this.#ended(refused(report))
    else if (report.kind === 'read') void this.#answer(report.taskId)
    else if (report.kind === 'late') this.#options.logLate(report.error)
    else if (report.kind === 'ended') this.#ended(report.ending)
    else if (report.kind === 'settled') {
      this.#left = report.left
      this.#finishIfSettled()
    } else for (const line of report.lines) this.#log(line)
  }

  printed(stream: 'stdout' | 'stderr', line: string): void {
    if (line.includes('JavaScript heap out of memory')) this.#isHeapFull = true
    this.#print(stream === 'stdout' ? 'info' : 'warn', line, { stream })
  }

  marked(): void {
    this.#marks++
    this.#finishIfSettled()
  }

  died(death: Death): void {
    this.#ended(this.#failure(this.#causeOf(death)))
    this.#finish()
  }

  #open(): void {
    this.#after(LOAD_MS, () => {
      this.#child.kill()
      this.#ended(this.#failure(`its dag was not loaded within ${LOAD_MS / 1_000} s`))
    })
    this.#child.send(this.#options.opening)
  }

  #opened(): void {
    this.#options.opened()
    void this.#start()
  }

  /** Called just before the task's code starts. The time limit begins now. */
  async #start(): Promise<void> {
    await this.#attempt.confirm()
    if (this.#ending !== undefined) return
    this.#clearTimers()
    const { run, task, tryNumber, failures, firstStartedAt, abort } = this.#attempt
    if (abort.reason !== undefined) this.#ended(this.#failure(abort.reason))
    if (abort.reason !== undefined) return
    if (this.#child.hasOtherCode(this.#options.opening)) this.#print('warn', OTHER_CODE)
    // The child applies the same limit. This timer is for a task that blocks the child. After a pause of this process,
    // the child's answer is read first.
    const { executionTimeoutMs: ms } = task
    if (ms !== undefined && ms <= MAX_TIMER_MS)
      this.#after(ms, () => this.#after(LATE_MS, () => abort.abort(timedOut(ms))))
    const facts = { tryNumber, failures, firstStartedAt }
    this.#child.send({ kind: 'start', run, taskId: task.id, ...facts, endMark: this.#endMark })
  }

  /** The child reads one output at a time. So several requests at once do not come from the child. */
  async #answer(taskId: string): Promise<void> {
    if (this.#isReading) return
    this.#isReading = true
    const answer = { kind: 'output', taskId } as const
    const read = await this.#attempt.readOutput(taskId).then(
      (value) => ({ value }),
      (error) => ({ problem: messageOf(error) }),
    )
    this.#isReading = false
    await this.#attempt.confirm()
    this.#child.send({ ...answer, ...read })
  }

  /** First the task has some time to end by itself. After that the try has failed, even if the task still ends. */
  #aborted(reason: Error, atOnce: boolean): void {
    if (atOnce) {
      this.#child.kill()
      this.#ended(this.#failure(reason))
      this.#finish()
      return
    }
    const code = reason instanceof TminusError ? reason.code : 'interrupted'
    this.#child.send({ kind: 'abort', message: reason.message, code, retryable: isRetryable(reason) })
    this.#after(ABANDON_AFTER_MS, () => {
      this.#child.terminate()
      this.#ended(this.#failure(reason))
      this.#finish()
    })
  }

  /** Only the first ending counts. Aborted work never succeeds. */
  #ended(ending: Ending): void {
    if (this.#ending !== undefined) return
    const { abort } = this.#attempt
    this.#clearTimers()
    abort.onAbort = undefined
    this.#ending = abort.reason === undefined ? storable(ending) : this.#failure(abort.reason)
    this.#after(SETTLE_MS, () => this.#finish())
  }

  #finishIfSettled(): void {
    if (this.#left !== undefined && this.#marks === 2) this.#finish()
  }

  #finish(): void {
    if (this.#isOver || this.#ending === undefined) return
    this.#clearTimers()
    this.#isOver = true
    this.#resolve(this.#ending)
  }

  #failure(reason: string | Error): Ending {
    const error = typeof reason === 'string' ? new TminusError(`${reason}`, { code: 'isolated' }) : reason
    return endingOf(error, this.#options)
  }

  #causeOf({ code, signal, overMemory, isCut }: Death): string {
    const { memoryMb } = this.#child
    const limit = memoryMb === undefined ? '' : ` (limit ${memoryMb} MB)`
    if (this.#isHeapFull) return `its process ran out of memory${limit}`
    if (overMemory) return `its process used more than ${(memoryMb ?? 0) + BESIDE_HEAP_MB} MB of memory${limit}`
    if (isCut) return 'it closed the channel to its parent process'
    if (signal !== null) return `its process was killed by ${signal}`
    if (code !== null) return `its process exited with code ${code} before the task ended`
    return 'its process could not be started'
  }

  #print(level: LogLevel, message: string, fields?: LoggedLine['fields']): void {
    this.#log({ loggedAt: new Date(), level, message, fields })
  }

  #log(line: LoggedLine): void {
    if (!this.#isOver) this.#attempt.log.add(line, this.#options.scrub)
  }

  #after(ms: number, act: () => void): void {
    this.#timers.push(setTimeout(act, ms))
  }

  #clearTimers(): void {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer)
  }
}

const OTHER_CODE =
  'the code of the pipelines has changed since this process started; this try runs the new code, restart the process'

function refused({ message: reason, error }: Report & { kind: 'refused' }): Ending {
  return { state: 'failed', reason, error, retryable: true }
}

/** The text comes from the child, so it can be any text. */
function storable(ending: Ending): Ending {
  const { reason } = ending
  return {
    ...ending,
    reason: reason && storableText(reason, MOST.reason),
    ...(ending.error !== undefined && { error: storableText(ending.error, MOST.stacks) }),
  }
}
