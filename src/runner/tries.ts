import { isOutage, outlast } from '../db/outage.ts'
import { messageOf, TminusError } from '../errors.ts'
import { readOutput } from '../metadata/task-instances.ts'
import type { Ending } from '../metadata/transitions.ts'
import { Abort } from './abort.ts'
import { type ActiveRun, failure, type RunView } from './active-run.ts'
import type { Admission } from './admission.ts'
import type { Owner } from './owner.ts'

/** One start of a task instance here: claimed, begun once its claim is written, ended, gone once that is written. */
export interface Try {
  readonly index: number
  readonly tryNumber: number
  readonly abort: Abort
  stands: 'claimed' | 'begun' | 'ended' | 'writing'
  ending?: Ending
  /** Set where the database refused a write of several results, this one among them: which one is bad is not known. */
  suspect?: boolean
}

/** The tries of a run that this process knows of. A slot is held from the claim to the end. */
export class Tries {
  readonly #admission: Admission
  readonly #freePools: (own: Try) => void
  readonly #known = new Map<number, Try>()

  /** @param freePools called for a try that did not start after all, or has ended, and that no write tells of */
  constructor(admission: Admission, freePools: (own: Try) => void) {
    this.#admission = admission
    this.#freePools = freePools
  }

  has(index: number): boolean {
    return this.#known.has(index)
  }

  claim(index: number, tryNumber: number): void {
    this.#admission.takeSlot()
    this.#known.set(index, { index, tryNumber, abort: new Abort(), stands: 'claimed' })
  }

  /** Its claim is written. Undefined where it runs already, or is not to run any more. */
  begin(index: number, active: ActiveRun): Try | undefined {
    const own = this.#known.get(index)
    if (own?.stands !== 'claimed') return undefined
    if (!active.isRunning(index, own.tryNumber)) return this.#forget(own)
    own.stands = 'begun'
    return own
  }

  /** False where nobody is interested any more: the try was given up meanwhile. */
  end(own: Try, ending: Ending): boolean {
    this.#admission.freeSlots()
    own.ending = ending
    own.stands = 'ended'
    return this.#known.get(own.index) === own
  }

  /** Whatever ended goes into the write that begins. */
  writing(): void {
    for (const own of this.unwritten) own.stands = 'writing'
  }

  /** A result that the database refuses by itself, not being away, would be refused again: its try has failed instead. */
  written(result: boolean | Error): void {
    const writing = [...this.#known.values()].filter(({ stands }) => stands === 'writing')
    for (const own of writing) {
      own.stands = 'ended'
      if (result === true) this.#known.delete(own.index)
      if (!(result instanceof Error) || isOutage(result)) continue
      if (writing.length > 1) own.suspect = true
      else own.ending = failure(`its result could not be stored: ${messageOf(result)}`)
    }
  }

  /** Those that have ended, which is not known to be written. Of the suspect ones the first: each is written alone. */
  get unwritten(): Try[] {
    const ended = [...this.#known.values()].filter(({ ending }) => ending !== undefined)
    const first = ended.find(({ suspect }) => suspect)
    return ended.filter((own) => !own.suspect || own === first)
  }

  /** What was claimed but is not written: nothing of it has started. */
  forgetClaimed(): void {
    for (const own of this.#known.values()) if (own.stands === 'claimed') this.#forget(own)
  }

  /** What runs here but not in the rows was cleared, marked or cancelled: its result would be refused anyway. */
  abortStrays(active: ActiveRun): void {
    for (const own of this.#known.values()) {
      const { index, tryNumber, abort, ending } = own
      if (active.isRunning(index, tryNumber)) continue
      abort.abort(interruption(active.instance(index).reason ?? 'cancelled'))
      this.#known.delete(index)
      if (ending !== undefined) this.#freePools(own)
    }
  }

  abortAll(reason: string): void {
    for (const { abort } of this.#known.values()) abort.abort(interruption(reason))
  }

  #forget(own: Try): undefined {
    this.#known.delete(own.index)
    this.#admission.freeSlots()
    this.#freePools(own)
  }
}

/** Has the executor run a try; whatever happens is an ending. */
export async function attempt(
  { run, dag, state }: RunView,
  { index, tryNumber, abort }: Try,
  { db, executor, onLog }: Owner,
): Promise<Ending> {
  const { taskId } = state.instance(index)
  const task = dag.tasks.get(taskId)
  if (task === undefined) return failure(`task '${taskId}' is no longer in the code of dag '${dag.id}'`)
  const read = (upstream: string) => outlast(() => readOutput(db, run.dagRunId, upstream))
  return await executor.execute({ run, dag, task, tryNumber, abort, readOutput: read, log: onLog })
}

export function interruption(reason: string): TminusError {
  return new TminusError(reason, { code: 'interrupted', retryable: false })
}
