import { type ChildProcess, fork } from 'node:child_process'
import { constants } from 'node:os'
import { CLOSING_MS, EXIT_OF, GRACE_MS, leaveTerminal, type StopSignal } from '../signals.ts'
import { type FromChild, type FromParent, type LoadedCode, whyNotAccepted } from './messages.ts'
import { watchCode } from './watch-code.ts'

/** The processes at once: the current one, a new one, and those that finish their tasks. A further change waits. */
const MOST_CHILDREN = 4
/** Children end by themselves before this. */
const KILLED_AFTER_MS = GRACE_MS + CLOSING_MS + 5_000

/** Runs the verb in a child process, and replaces it when the code of the pipelines changes. Returns the exit code. */
export async function supervise(verb: string, pipelinesDir: string): Promise<number> {
  return await new Promise((resolve, reject) => new Supervisor(verb, resolve).open(pipelinesDir).catch(reject))
}

interface Child {
  process: ChildProcess
  /** Its dags, when it has loaded them. */
  code?: LoadedCode
  /** True if it may open its databases. */
  isAccepted: boolean
  /** True if its code was rejected or is out of date. */
  isDiscarded: boolean
}

class Supervisor {
  readonly #verb: string
  readonly #ended: (exitCode: number) => void
  readonly #children = new Set<Child>()
  /** The child that schedules, claims runs and serves the page. */
  #current: Child | undefined
  /** The child that loads the changed code. */
  #candidate: Child | undefined
  /** The child before the current one, until it has closed its port. */
  #yielding: Child | undefined
  /** True until the current child runs. */
  #isTakingOver = true
  /** True if the code has changed and no child has loaded it yet. */
  #isChanged = false
  #isEnding = false
  #port: number | undefined
  #exitCode = 0
  readonly #ending = new AbortController()

  constructor(verb: string, ended: (exitCode: number) => void) {
    this.#verb = verb
    this.#ended = ended
  }

  async open(pipelinesDir: string): Promise<void> {
    for (const signal of Object.keys(EXIT_OF) as StopSignal[]) process.on(signal, () => this.#onSignal(signal))
    // Before the first child loads the code, so that no change is missed.
    await watchCode(pipelinesDir, () => this.#onChange(), this.#ending.signal)
    if (this.#isEnding) this.#end()
    else this.#candidate = this.#start()
  }

  /** The child has its own process group. Otherwise a Ctrl-C would reach it from the terminal and from the parent. */
  #start(): Child {
    const options = { stdio: 'inherit', detached: process.platform !== 'win32' } as const
    const started = fork(process.argv[1] ?? '', [this.#verb, '--supervised'], options)
    const child: Child = { process: started, isAccepted: false, isDiscarded: false }
    this.#children.add(child)
    started.on('message', (message) => this.#onMessage(child, message as FromChild))
    started.once('exit', (code, signal) => this.#onExit(child, code ?? codeOf(signal)))
    // Sending to a child that has just ended fails; its `exit` follows.
    started.on('error', () => {})
    return child
  }

  #onChange(): void {
    this.#isChanged = true
    this.#startCandidate()
  }

  #startCandidate(): void {
    if (!this.#isChanged || this.#isTakingOver || this.#isEnding) return
    // It has loaded code that is out of date by now, and executes nothing.
    if (this.#candidate) this.#discard(this.#candidate)
    if (this.#children.size >= MOST_CHILDREN) return
    this.#isChanged = false
    this.#candidate = this.#start()
  }

  #discard(child: Child): void {
    child.isDiscarded = true
    // Before it is accepted, it has opened nothing that it must close.
    child.process.kill(child.isAccepted ? 'SIGTERM' : 'SIGKILL')
    if (this.#candidate === child) this.#candidate = undefined
  }

  #onMessage(child: Child, message: FromChild): void {
    if (child.isDiscarded) return
    if (message.step === 'loaded') this.#onLoaded(child, message.code)
    else if (message.step === 'opened') this.#onOpened(child)
    else if (message.step === 'yielded') this.#onYielded(child)
    else {
      this.#port = message.port
      this.#isTakingOver = false
      this.#startCandidate()
    }
  }

  #onLoaded(child: Child, code: LoadedCode): void {
    child.code = code
    const reason = this.#current?.code && whyNotAccepted(this.#current.code, code)
    child.isAccepted = reason === undefined
    if (reason === undefined) send(child, { step: 'accepted' })
    else {
      this.#discard(child)
      this.#keep(reason)
    }
  }

  #onOpened(child: Child): void {
    this.#isTakingOver = true
    this.#yielding = this.#current
    this.#current = child
    this.#candidate = undefined
    if (this.#yielding) send(this.#yielding, { step: 'yield' })
    else send(child, { step: 'takeOver', port: undefined })
  }

  #onYielded(child: Child): void {
    if (child !== this.#yielding) return
    this.#yielding = undefined
    if (this.#current) send(this.#current, { step: 'takeOver', port: this.#port })
  }

  #keep(reason: string): void {
    if (this.#current) send(this.#current, { step: 'kept', reason })
  }

  #onExit(child: Child, exitCode: number): void {
    this.#children.delete(child)
    const isFirst = child === this.#candidate && this.#current === undefined
    if (child === this.#current || isFirst) this.#endWith(exitCode)
    else if (child === this.#candidate)
      this.#keep(`the new process ended with exit code ${exitCode}; its output says why`)
    if (child === this.#candidate) this.#candidate = undefined
    this.#onYielded(child)
    this.#startCandidate()
    this.#end()
  }

  /** The exit codes of the children say whether they have tasks for the next process. */
  #onSignal(signal: StopSignal): void {
    if (signal === 'SIGHUP') leaveTerminal()
    this.#isEnding = true
    if (this.#current === undefined && this.#candidate === undefined) this.#exitCode = EXIT_OF[signal]
    this.#stopAll(signal)
    this.#end()
  }

  /** The current child has ended. If it did so by itself, the other children end too. */
  #endWith(exitCode: number): void {
    this.#exitCode = exitCode
    if (!this.#isEnding) this.#stopAll('SIGTERM')
    this.#isEnding = true
  }

  #stopAll(signal: NodeJS.Signals): void {
    for (const child of this.#children) child.process.kill(signal)
    setTimeout(() => this.#stopAll('SIGKILL'), KILLED_AFTER_MS).unref()
  }

  #end(): void {
    if (!this.#isEnding || this.#children.size > 0) return
    this.#ending.abort()
    this.#ended(this.#exitCode)
  }
}

/** As a shell shows the end by a signal. */
function codeOf(signal: NodeJS.Signals | null): number {
  return signal === null ? 1 : 128 + constants.signals[signal]
}

function send({ process }: Child, message: FromParent): void {
  if (process.connected) process.send(message)
}
