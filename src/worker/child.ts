import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { within } from '../clock.ts'
import { OutputLines } from '../output-lines.ts'
import { PING_FD } from './parent-watch.ts'
import type { Pings } from './pings.ts'
import { type Opening, type Order, type Report, readReport } from './protocol.ts'

/** How a child's process ended. */
export interface Death {
  code: number | null
  signal: NodeJS.Signals | null
  /** True if the child exceeded its memory limit. */
  overMemory: boolean
  /** True if the task closed the channel to this process. */
  isCut: boolean
}

/** Receives the events of a child during a try. */
export interface ChildListener {
  reported(report: Report): void
  printed(stream: 'stdout' | 'stderr', line: string): void
  /** The end line of the try arrived on one stream. */
  marked(): void
  /** The process has ended, and all its output has arrived. */
  died(death: Death): void
}

export interface ChildOptions {
  memoryMb: number | undefined
  /** The child ends itself after this time without a ping. */
  silentMs: number
  pings: Pings
}

/** Time from SIGTERM to SIGKILL. */
const KILL_AFTER_MS = 10_000
/** The output of a dead child arrives within this time, unless another process keeps its streams open. */
const DRAIN_MS = 1_000
const DISCONNECTED_MS = 1_000
const GROUP_CHECK_MS = 50
const FROM_SOURCE = import.meta.url.endsWith('.ts')
const PROGRAM = fileURLToPath(new URL(FROM_SOURCE ? 'child-program.ts' : 'child-program.js', import.meta.url))

/** A child process, the leader of a process group and session of its own. */
export class Child {
  readonly memoryMb: number | undefined
  /** The dag that the child has loaded or is loading. */
  dagId: string | undefined
  /** Hash of the code that the child has loaded. */
  codeVersion: string | null | undefined
  /** Resolves when the process has ended and its group is gone or killed. */
  readonly gone: Promise<void>
  #listener: ChildListener
  readonly #process: ChildProcess
  readonly #lines: OutputLines[]
  #overMemory = false
  #isCut = false
  #isDead = false
  /** True if the group has no process left. The system may then reuse the group's number. */
  #isGone = false
  /** The instant when the group gets SIGKILL; undefined if the group was not asked to end. */
  #killAt: number | undefined

  /** @param listener see `listen` */
  constructor({ memoryMb, silentMs, pings }: ChildOptions, listener: ChildListener) {
    this.memoryMb = memoryMb
    this.#listener = listener
    const heap = memoryMb === undefined ? [] : [`--max-old-space-size=${memoryMb}`]
    this.#process = spawn(
      process.execPath,
      [...heap, ...nodeOptions(), PROGRAM, String(silentMs), String(memoryMb ?? '')],
      { detached: true, serialization: 'advanced', stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe'] },
    )
    this.#lines = [this.#read('stdout'), this.#read('stderr')]
    const pipe = this.#process.stdio[PING_FD] as Socket | undefined
    pipe
      ?.on('error', () => {})
      .on('data', () => {
        this.#overMemory = true
      })
    if (pipe) pings.add(pipe)
    this.#process.on('message', (message) => this.#received(message))
    this.#process.on('disconnect', () => setTimeout(() => this.#disconnected(), DISCONNECTED_MS).unref())
    this.gone = this.#exited().then(() => this.#groupEnded())
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** False if the child has ended or cannot receive messages. */
  get isUsable(): boolean {
    return !this.#isDead && !this.isEnding && this.#process.connected
  }

  /** True if the child was asked to end. */
  get isEnding(): boolean {
    return this.#killAt !== undefined
  }

  /** True if child and parent have loaded different code, and both hashes are known. */
  hasOtherCode({ codeVersion }: Pick<Opening, 'codeVersion'>): boolean {
    return codeVersion !== null && typeof this.codeVersion === 'string' && this.codeVersion !== codeVersion
  }

  /** Sets the listener for the child's events, and the line that marks the end of its try. */
  listen(listener: ChildListener, endMark?: string): void {
    this.#listener = listener
    for (const lines of this.#lines) lines.mark = endMark
  }

  send(order: Order): void {
    if (this.#process.connected) this.#process.send(order, () => {})
  }

  /** Ends the group: SIGTERM, and SIGKILL 10 s later. */
  terminate(): void {
    if (this.#killAt !== undefined) return
    this.#killAt = performance.now() + KILL_AFTER_MS
    this.#signal('SIGTERM')
    setTimeout(() => this.#isDead || this.kill(), KILL_AFTER_MS).unref()
  }

  /** Ends the group at once. */
  kill(): void {
    this.#killAt = performance.now()
    this.#signal('SIGKILL')
  }

  #read(name: 'stdout' | 'stderr'): OutputLines {
    const stream = this.#process[name]
    const lines = new OutputLines(
      (line) => this.#listener.printed(name, line),
      () => this.#listener.marked(),
    )
    if (stream) lines.readFrom(stream)
    return lines
  }

  /** A process that ended a moment ago keeps its exit code. */
  #disconnected(): void {
    if (this.#isDead || this.isEnding) return
    this.#isCut = true
    this.kill()
  }

  #received(message: unknown): void {
    const report = readReport(message)
    if (report?.kind === 'opened') this.codeVersion = report.codeVersion
    if (report !== undefined) this.#listener.reported(report)
  }

  /** Resolves when the process has ended. */
  async #exited(): Promise<void> {
    const child = this.#process
    const death = await new Promise<Pick<Death, 'code' | 'signal'>>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }))
      child.once('error', () => child.pid === undefined && resolve({ code: null, signal: null }))
    })
    this.#isDead = true
    // Its subprocesses are killed at once, unless they were already asked to end.
    if (this.#killAt === undefined) this.kill()
    void this.#drained().then(() => this.#listener.died({ ...death, overMemory: this.#overMemory, isCut: this.#isCut }))
  }

  async #drained(): Promise<void> {
    const streams = [this.#process.stdout, this.#process.stderr].filter((stream) => stream !== null && !stream.closed)
    const closed = Promise.all(streams.map((stream) => new Promise((resolve) => stream?.once('close', resolve))))
    await within(DRAIN_MS, closed)
    // A process that has left the group may print for ever.
    for (const stream of streams) stream?.destroy()
    for (const lines of this.#lines) lines.flush()
  }

  /** Resolves when no process of the group is left. */
  async #groupEnded(): Promise<void> {
    while (this.#signal(0)) {
      if (performance.now() >= (this.#killAt ?? 0)) this.#signal('SIGKILL')
      await delay(GROUP_CHECK_MS)
    }
  }

  /** Sends a signal to the group. Returns false if the group has no process left. */
  #signal(signal: NodeJS.Signals | 0): boolean {
    if (this.pid === undefined || this.#isGone) return false
    try {
      process.kill(-this.pid, signal)
      return true
    } catch {
      // ESRCH: the group is empty. EPERM: on macOS, the group has only zombies.
      this.#isGone ||= this.#isDead
      return false
    }
  }
}

/** Starts the child in the same way as this process: from source with tsx, or from the build. */
function nodeOptions(): string[] {
  if (!FROM_SOURCE) return []
  const tsx = createRequire(import.meta.url).resolve('tsx')
  return ['--conditions=tminus-source', '--import', pathToFileURL(tsx).href]
}
