import { Abort } from '../abort.ts'
import { taskOf } from '../dag/map.ts'
import { isOutage, retryDuringOutage } from '../db/outage.ts'
import { messageOf, TminusError } from '../errors.ts'
import { readOutput } from '../metadata/task-instances.ts'
import type { Ending } from '../metadata/transitions.ts'
import { type ActiveRun, failure } from './active-run.ts'
import type { Admission } from './admission.ts'
import type { OwnedRun, Owner } from './owned-run.ts'

/**
 * A try in this process. `claimed`: the claim is not written yet · `running`: its task executes · `ended`: its task
 * ended, but the write is not confirmed · `writing`: its end is in the current write.
 */
export interface Try {
  readonly index: number
  readonly tryNumber: number
  readonly abort: Abort
  phase: 'claimed' | 'running' | 'ended' | 'writing'
  ending?: Ending
  /** True if the result of this try may be bad: the database refused a write that contained this and other results. */
  isSuspect?: boolean
}

/** The tries of a run in this process. A try holds a slot from its claim to its end. */
export class Tries {
  readonly #admission: Admission
  readonly #freePools: (thisTry: Try) => void
  readonly #known = new Map<number, Try>()

  /** @param freePools called for a try that ended, or did not start, without a write */
  constructor(admission: Admission, freePools: (thisTry: Try) => void) {
    this.#admission = admission
    this.#freePools = freePools
  }

  has(index: number): boolean {
    return this.#known.has(index)
  }

  claim(index: number, tryNumber: number): void {
    this.#admission.takeSlot()
    this.#known.set(index, { index, tryNumber, abort: new Abort(), phase: 'claimed' })
  }

  /** Starts a try whose claim is written. Undefined if it runs already or must not run. */
  begin(index: number, active: ActiveRun): Try | undefined {
    const thisTry = this.#known.get(index)
    if (thisTry?.phase !== 'claimed') return undefined
    if (!active.isRunning(index, thisTry.tryNumber)) return this.#forget(thisTry)
    thisTry.phase = 'running'
    return thisTry
  }

  /** Records the end of a try. Returns false if the try was dropped in the meantime. */
  end(thisTry: Try, ending: Ending): boolean {
    this.#admission.freeSlots()
    thisTry.ending = ending
    thisTry.phase = 'ended'
    return this.#known.get(thisTry.index) === thisTry
  }

  /** Call this when a write begins that contains all ended tries. */
  writing(): void {
    for (const thisTry of this.unwritten) thisTry.phase = 'writing'
  }

  /**
   * Applies the result of a write. If the database rejects a result that was written alone, its try fails, because a
   * second write cannot help.
   */
  written(result: boolean | Error): void {
    const writing = [...this.#known.values()].filter(({ phase }) => phase === 'writing')
    for (const thisTry of writing) {
      thisTry.phase = 'ended'
      if (result === true) this.#known.delete(thisTry.index)
      if (!(result instanceof Error) || isOutage(result)) continue
      if (writing.length > 1) thisTry.isSuspect = true
      else thisTry.ending = failure(`its result could not be stored: ${messageOf(result)}`)
    }
  }

  /**
   * Ended tries whose write is not confirmed. If several results may be bad, returns only the first, so that each is
   * written alone.
   */
  get unwritten(): Try[] {
    const ended = [...this.#known.values()].filter(({ ending }) => ending !== undefined)
    const first = ended.find(({ isSuspect }) => isSuspect)
    return ended.filter((thisTry) => !thisTry.isSuspect || thisTry === first)
  }

  /** Drops the claims that are not written. Their tasks have not started. */
  forgetClaimed(): void {
    for (const thisTry of this.#known.values()) if (thisTry.phase === 'claimed') this.#forget(thisTry)
  }

  /** Aborts tries that no longer run in the stored run, because they were cleared, marked or cancelled. */
  abortStrays(active: ActiveRun): void {
    for (const thisTry of this.#known.values()) {
      const { index, tryNumber, abort, ending, phase } = thisTry
      if (active.isRunning(index, tryNumber)) continue
      if (phase === 'claimed') this.#forget(thisTry)
      abort.abort(interruption(active.instance(index).reason ?? 'cancelled'))
      this.#known.delete(index)
      if (ending !== undefined) this.#freePools(thisTry)
    }
  }

  abortAll(reason: string): void {
    for (const { abort } of this.#known.values()) abort.abort(interruption(reason))
  }

  #forget(thisTry: Try): undefined {
    this.#known.delete(thisTry.index)
    this.#admission.freeSlots()
    this.#freePools(thisTry)
  }
}

/** Executes a try with the executor. Never rejects. */
export async function attempt(
  { run, dag, state }: OwnedRun,
  { index, tryNumber, abort }: Try,
  { db, job, executor, writer, onLog }: Owner,
): Promise<Ending> {
  const { taskId, isolated, failures, firstStartedAt = new Date() } = state.instance(index)
  const task = taskOf(dag, taskId)
  if (task === undefined) return failure(`task '${taskId}' is no longer in the code of dag '${dag.id}'`)
  const read = (upstream: string) => retryDuringOutage(() => readOutput(db, run.dagRunId, upstream))
  const log = writer.openLog({ dagRunId: run.dagRunId, taskId, tryNumber }, onLog)
  const more = { tryNumber, failures, firstStartedAt, isolated, confirm: () => job.confirmAlive() }
  const ending = await executor.execute({ run, dag, task, ...more, abort, readOutput: read, log })
  const written = log.end()
  if (written !== undefined) await written
  return ending
}

export function interruption(reason: string): TminusError {
  return new TminusError(reason, { code: 'interrupted', retryable: false })
}
