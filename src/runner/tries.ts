import { outlast } from '../db/outage.ts'
import { TminusError } from '../errors.ts'
import type { LogLine } from '../metadata/logs.ts'
import { readOutput } from '../metadata/task-instances.ts'
import type { Ending } from '../metadata/transitions.ts'
import { type ActiveRun, failure } from './active-run.ts'
import type { Admission } from './admission.ts'
import type { OwnedRun } from './owned-run.ts'
import type { Owner } from './runner.ts'

interface Try {
  readonly tryNumber: number
  readonly abort: AbortController
  begun: boolean
}

/** What of a run holds a slot here: tries that are claimed, and begun once their claim is written. */
export class Tries {
  readonly #admission: Admission
  readonly #held = new Map<number, Try>()
  /** Set once the process is told to stop: why. */
  interrupted: string | undefined

  constructor(admission: Admission) {
    this.#admission = admission
  }

  get size(): number {
    return this.#held.size
  }

  has(index: number): boolean {
    return this.#held.has(index)
  }

  /** The caller has taken a slot for it. */
  claim(index: number, tryNumber: number): void {
    this.#held.set(index, { tryNumber, abort: new AbortController(), begun: false })
  }

  claimed(): number[] {
    return [...this.#held].filter(([, { begun }]) => !begun).map(([index]) => index)
  }

  /** Undefined where it runs already, or is not to run any more. */
  begin(index: number, active: ActiveRun): Readonly<Try> | undefined {
    const own = this.#held.get(index)
    if (own === undefined || own.begun) return undefined
    if (!active.isRunning(index, own.tryNumber)) return this.#forget(index)
    own.begun = true
    if (this.interrupted !== undefined) own.abort.abort(interruption(this.interrupted))
    return own
  }

  ended(index: number, tryNumber: number): void {
    if (this.#held.get(index)?.tryNumber === tryNumber) this.#held.delete(index)
    this.#admission.freeSlot()
  }

  /** What was claimed but is not written: nothing of it has started. */
  forgetClaimed(): void {
    for (const index of this.claimed()) this.#forget(index)
  }

  /** What runs here but not in the rows was cleared, marked or cancelled: its result would be refused anyway. */
  abortStrays(active: ActiveRun): void {
    for (const [index, { tryNumber, abort }] of this.#held) {
      if (active.isRunning(index, tryNumber)) continue
      abort.abort(interruption(active.instance(index).reason ?? 'cancelled'))
      this.#held.delete(index)
    }
  }

  abortAll(reason: string): void {
    for (const { abort } of this.#held.values()) abort.abort(interruption(reason))
  }

  #forget(index: number): undefined {
    this.#held.delete(index)
    this.#admission.freeSlot()
  }
}

/** Has the executor run a try; whatever happens is an ending. */
export async function attempt(
  { run, dag }: OwnedRun,
  taskId: string,
  tryNumber: number,
  signal: AbortSignal,
  { db, executor, writer, onLog }: Owner,
): Promise<Ending> {
  const task = dag.tasks.get(taskId)
  if (task === undefined) return failure(`task '${taskId}' is no longer in the code of dag '${dag.id}'`)
  const log = (line: LogLine) => {
    writer.log(line)
    onLog?.(line)
  }
  const read = (upstream: string) => outlast(() => readOutput(db, run.dagRunId, upstream))
  return await executor.execute({ run, dag, task, tryNumber, signal, readOutput: read, log })
}

function interruption(reason: string): TminusError {
  return new TminusError(reason, { code: 'interrupted', retryable: false })
}
