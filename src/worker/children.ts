import { within } from '../clock.ts'
import type { Dag } from '../dag/dag.ts'
import { TminusError } from '../errors.ts'
import type { LoadedDags } from '../load-dags.ts'
import type { Logger } from '../log.ts'
import { graphHash } from '../metadata/dags.ts'
import type { Ending } from '../metadata/transitions.ts'
import { endingOf } from '../runner/execute.ts'
import type { Attempt } from '../runner/executor.ts'
import { Child, type ChildListener } from './child.ts'
import { IsolatedTry, type TryOptions } from './isolated-try.ts'
import { Pings } from './pings.ts'
import type { Opening } from './protocol.ts'

export interface ChildrenOptions extends Pick<TryOptions, 'now' | 'scrub'> {
  /** Limit of idle children. */
  slots: number
  log: Logger
  loaded: Pick<LoadedDags, 'files'>
  /** The options are the same for all dags. */
  shared: Pick<Opening, 'codeVersion' | 'pipelinesDir' | 'env' | 'databaseUrl' | 'unnamed'>
  /** Default: see `SILENT_MS`. */
  silentMs?: number
  /** Default: see `IDLE_MS`. */
  idleMs?: number
}

/**
 * A child ends itself after this time without a ping. Other processes take over the runs of a frozen process after 30
 * s.
 */
const SILENT_MS = 25_000
const PINGS_IN_SILENCE = 5
/** An idle child that has loaded a dag ends after this time. */
const IDLE_MS = 60_000
/** After SIGKILL, the system ends a process within this time. */
const CLOSE_MS = 5_000

/**
 * The child processes of this process. A child executes one try at a time, of one dag. A child is used again only if
 * the try left it clean. For each memory limit that was used, one spare child is started in advance.
 */
export class Children {
  readonly #options: ChildrenOptions
  readonly #pings: Pings
  readonly #all = new Set<Child>()
  /** Idle children that have loaded a dag. The last used child is at the end. */
  readonly #idle = new Map<Child, NodeJS.Timeout>()
  /** Spare children, which have not loaded a dag, by memory limit. */
  readonly #spares = new Map<number | undefined, Child>()
  #isClosed = false

  constructor(options: ChildrenOptions) {
    this.#options = options
    this.#pings = new Pings(this.#silentMs / PINGS_IN_SILENCE)
  }

  /** Executes a try in a child. Never rejects. */
  async execute(attempt: Attempt): Promise<Ending> {
    const { dag, task, abort } = attempt
    let child: Child | undefined
    try {
      abort.throwIfAborted()
      const opening = this.#openingOf(dag)
      child = this.#take(opening, task.memoryMb)
      const thisTry = new IsolatedTry(child, attempt, {
        ...this.#options,
        ...this.#hooks(dag.id, task.memoryMb),
        opening,
      })
      const ending = await thisTry.execute()
      if (thisTry.isClean) this.#keep(child, opening)
      else this.#drop(child)
      return ending
    } catch (error) {
      child?.kill()
      return endingOf(error, this.#options)
    }
  }

  /** Ends all children; resolves when they are gone. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#idle.values()) clearTimeout(timer)
    for (const child of this.#all) child.kill()
    await within(CLOSE_MS, Promise.all([...this.#all].map(({ gone }) => gone)))
    this.#pings.close()
  }

  #openingOf({ id: dagId, graph }: Dag): Opening {
    const { loaded, shared, now } = this.#options
    const file = loaded.files.get(dagId)
    if (file === undefined)
      throw new TminusError(`dag '${dagId}' has no file, so no child process can load it`, { code: 'isolated' })
    const clockOffsetMs = now().getTime() - Date.now()
    return { kind: 'open', ...shared, dagId, file, graphHash: graphHash(graph), clockOffsetMs }
  }

  #hooks(dagId: string, memoryMb: number | undefined): Pick<TryOptions, 'opened' | 'logLate'> {
    return { opened: () => this.#prestart(memoryMb), logLate: (error) => this.#late(dagId, error) }
  }

  get #silentMs(): number {
    return this.#options.silentMs ?? SILENT_MS
  }

  /** Returns an idle child that has loaded this dag, or a spare child. */
  #take({ dagId }: Opening, memoryMb: number | undefined): Child {
    for (const [child, timer] of [...this.#idle].reverse()) {
      const isSame = child.dagId === dagId && child.memoryMb === memoryMb
      if (!isSame || !child.isUsable) continue
      clearTimeout(timer)
      this.#idle.delete(child)
      return child
    }
    const spare = this.#spares.get(memoryMb)
    this.#spares.delete(memoryMb)
    const child = spare?.isUsable ? spare : this.#spawn(memoryMb)
    child.dagId = dagId
    return child
  }

  #prestart(memoryMb: number | undefined): void {
    if (!this.#isClosed && !this.#spares.has(memoryMb)) this.#spares.set(memoryMb, this.#spawn(memoryMb))
  }

  #spawn(memoryMb: number | undefined): Child {
    const child: Child = new Child(
      { memoryMb, silentMs: this.#silentMs, pings: this.#pings },
      this.#unused(() => child),
    )
    this.#all.add(child)
    void child.gone.then(() => this.#all.delete(child))
    return child
  }

  /**
   * Keeps a clean child for the next try of its dag. A child that has loaded other code than this process is not used
   * again.
   */
  #keep(child: Child, opening: Opening): void {
    const isKept = !this.#isClosed && child.isUsable && !child.hasOtherCode(opening)
    child.listen(isKept ? this.#unused(() => child) : NOBODY)
    if (!isKept) this.#drop(child)
    if (!isKept) return
    const [oldest] = this.#idle.keys()
    if (oldest !== undefined && this.#idle.size >= this.#options.slots) this.#drop(oldest)
    this.#idle.set(child, setTimeout(() => this.#drop(child), this.#options.idleMs ?? IDLE_MS).unref())
  }

  #drop(child: Child): void {
    clearTimeout(this.#idle.get(child))
    this.#idle.delete(child)
    child.listen(NOBODY)
    if (!child.isEnding) child.kill()
  }

  #late(dagId: string | undefined, error: string): void {
    const { log, scrub } = this.#options
    log.warn({ dag_id: dagId }, `an isolated task threw an error after its try had ended: ${scrub(error)}`)
  }

  /** The listener for a child that is idle. */
  #unused(child: () => Child): ChildListener {
    const { log, scrub } = this.#options
    return {
      reported: (report) => {
        if (report.kind !== 'late') return
        this.#late(child().dagId, report.error)
        this.#drop(child())
      },
      printed: (_stream, line) => {
        const isIdle = this.#idle.has(child())
        // A spare child may print warnings of Node.
        log[isIdle ? 'warn' : 'debug'](
          { dag_id: child().dagId },
          `a child process printed without a try: ${scrub(line)}`,
        )
        if (isIdle) this.#drop(child())
      },
      marked() {},
      died: () => {
        for (const [memoryMb, spare] of this.#spares) if (spare === child()) this.#spares.delete(memoryMb)
        this.#drop(child())
      },
    }
  }
}

const NOBODY: ChildListener = { reported() {}, printed() {}, marked() {}, died() {} }
