import { basename, dirname } from 'node:path'
import type { LoadedDags } from '../../load-dags.ts'
import type { Logger } from '../../log.ts'
import { exitNow } from '../../process-exit.ts'
import { CLOSING_MS, EXIT_OF, GRACE_MS } from '../signals.ts'
import type { FromChild, FromParent, LoadedCode } from './messages.ts'

/** A new process replaces this one, which finishes its running tasks. */
export const REPLACED = 'replaced'

/** The parent of this process, seen from this process (see `supervise.ts`). */
export class Parent {
  readonly #answers = new Map<FromParent['step'], (message: FromParent) => void>()
  /** A new process takes over. Call `yielded` when the port is closed. */
  readonly replaced: Promise<typeof REPLACED>
  #isAccepted = false
  #log: Logger | undefined
  #problem: string | undefined
  #takingOver: Promise<number | undefined> | undefined

  constructor() {
    this.replaced = this.#answer('yield').then(() => {
      // As after a signal, even if a query hangs.
      setTimeout(() => exitNow(EXIT_OF.SIGTERM), GRACE_MS + CLOSING_MS).unref()
      return REPLACED
    })
    process.on('message', this.#onMessage).once('disconnect', this.#onDisconnect)
  }

  /** Why the changed code is not loaded; undefined if this process has loaded the newest code. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** Returns when this process may open its databases. If its dags are rejected, the parent ends it. */
  async accepts(loaded: LoadedDags, log: Logger): Promise<void> {
    this.#log = log
    const accepted = this.#answer('accepted')
    this.#send({ step: 'loaded', code: codeOf(loaded) })
    await accepted
    this.#isAccepted = true
  }

  /** Returns when the process before this one has closed its port: the port, undefined if there was none. */
  takeOver(): Promise<number | undefined> {
    if (this.#takingOver !== undefined) return this.#takingOver
    this.#takingOver = this.#answer('takeOver').then((answer) => (answer.step === 'takeOver' ? answer.port : undefined))
    this.#send({ step: 'opened' })
    return this.#takingOver
  }

  runs(port?: number): void {
    this.#send({ step: 'runs', port })
  }

  yielded(): void {
    this.#send({ step: 'yielded' })
  }

  /** Without this, the open channel would keep the process alive. */
  close(): void {
    process.off('message', this.#onMessage).off('disconnect', this.#onDisconnect)
    if (process.connected) process.disconnect()
  }

  #answer(step: FromParent['step']): Promise<FromParent> {
    return new Promise((resolve) => this.#answers.set(step, resolve))
  }

  readonly #onMessage = (message: unknown) => {
    const answer = message as FromParent
    this.#answers.get(answer.step)?.(answer)
    if (answer.step !== 'kept') return
    this.#problem = answer.reason
    this.#log?.error(`the changed pipelines are not loaded, so the old ones stay: ${answer.reason}`)
  }

  /** The parent was killed. */
  readonly #onDisconnect = () => {
    if (!this.#isAccepted) exitNow(EXIT_OF.SIGTERM)
    process.emit('SIGTERM', 'SIGTERM')
  }

  #send(message: FromChild): void {
    if (process.connected) process.send?.(message)
  }
}

function codeOf({ dags, files, importErrors }: LoadedDags): LoadedCode {
  const folderOf = (dagId: string) => basename(dirname(files.get(dagId) ?? ''))
  return {
    dags: [...dags.keys()].map((dagId) => [dagId, folderOf(dagId)]),
    importErrors: importErrors.map(({ folder, message, dag }) => ({ folder, message, dagId: dag?.id })),
  }
}
