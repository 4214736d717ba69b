import { url as debuggerUrl } from 'node:inspector'
import { currentTry, type RunningTry, runAs, runningTries } from './blame.ts'

/** If the event loop pauses for longer than this, the pause is a silence: other processes may have noticed it. */
const SILENT_MS = 500
/**
 * If the event loop pauses for longer than this, the pause is a stall. A stall counts only against the time limit of
 * the try that caused it.
 */
const STALL_MS = 1_000
const BEAT_EVERY_MS = 250
/** The longest wait of a Node timer, 24 days. */
export const MAX_TIMER_MS = 2 ** 31 - 1
/** The thread emits this event on the paused main thread, to learn whose code is executing there. */
export const IDENTIFY = 'tminus:identify'

/**
 * The memory that the main thread shares with the thread that renews the lease. First `header`. Then the suspect: its
 * dag_run_id as a double, and as JSON the facts that all tries of its task share.
 */
const shared = new SharedArrayBuffer(4_096)
const [BEATS, DEBUGGED, LENGTH, TRY] = [0, 1, 2, 3] as const
const HEADER_BYTES = 16
const TEXT_AT = HEADER_BYTES + 8

/** The try that probably blocks the main thread. */
export type Suspect = Pick<RunningTry, 'dagRunId' | 'dagId' | 'taskId' | 'tryNumber' | 'limitMs'>

const header = new Int32Array(shared, 0, HEADER_BYTES / 4)
const dagRunId = new Float64Array(shared, HEADER_BYTES, 1)
const text = new Uint8Array(shared, TEXT_AT)

/** An instant on both clocks, ms. The monotonic clock stops while the machine sleeps; the wall clock may be set. */
export interface Instant {
  at: number
  wall: number
}

export function instant(): Instant {
  return { at: performance.now(), wall: Date.now() }
}

/**
 * Time since an instant, ms: the larger result of the two clocks. If a clock was set forward, the result is only too
 * large.
 */
export function msSince({ at, wall }: Instant): number {
  return Math.max(performance.now() - at, Date.now() - wall)
}

let users = 0
let timer: NodeJS.Timeout | undefined
/** The last beat of the main thread. */
let last = instant()
let silenceCount = 0
/** The instant up to which the current stall has been added to the tries. */
let sharedUntil = 0
/** The try whose code the lease thread found on the main thread during the current stall. */
let identified: RunningTry | undefined
let enteredInThisTurn: RunningTry | undefined
let isTurnEndAwaited = false
let published: RunningTry | undefined

/** Starts the beats. Returns the memory for the lease thread, and a function that stops the beats. */
export function startPulse(): { memory: SharedArrayBuffer; stop: () => void } {
  if (users++ === 0) {
    last = instant()
    sharedUntil = last.at
    timer = setInterval(beat, BEAT_EVERY_MS).unref()
    process.on(IDENTIFY as 'beforeExit', identify)
  }
  const stop = () => {
    if (--users > 0) return
    clearInterval(timer)
    timer = undefined
    process.off(IDENTIFY as 'beforeExit', identify)
  }
  return { memory: shared, stop }
}

/**
 * How often this process has been silent: stopped, suspended, or busy in one turn of its event loop. If the number has
 * changed, another process may have declared this process dead.
 */
export function silences(): number {
  look()
  return silenceCount
}

/** Runs work as part of a try, until `endTry`; `currentTry` names this try in everything that the work starts. */
export function beginTry<T>(one: RunningTry, work: () => T): T {
  runningTries().add(one)
  enterTry(one)
  return runAs(one, work)
}

export function endTry(one: RunningTry): void {
  runningTries().delete(one)
  if (enteredInThisTurn === undefined) publish(sole())
}

/**
 * Call it directly before the code of a try. If the event loop is blocked between this call and the end of the turn,
 * this try is the cause.
 */
export function enterTry(one: RunningTry): void {
  look()
  enteredInThisTurn = one
  publish(one)
  if (!isTurnEndAwaited) setImmediate(turnEnded)
  isTurnEndAwaited = true
}

/**
 * Calls `exceeded` when a try has used up its time limit. Call `check` when its code has ended: if the code blocked the
 * event loop, the timer did not fire.
 */
export function limitTry(
  one: RunningTry,
  exceeded: (limitMs: number) => void,
): { check: () => void; stop: () => void } {
  const { limitMs, startedAt } = one
  if (limitMs === undefined) return { check: look, stop() {} }
  let timer: NodeJS.Timeout | undefined
  const check = (): number => {
    look()
    const leftMs = limitMs - (performance.now() - startedAt - one.stalledMs)
    if (leftMs <= 0) exceeded(limitMs)
    return leftMs
  }
  const wait = () => {
    const leftMs = check()
    if (leftMs > 0) timer = setTimeout(wait, Math.min(Math.ceil(leftMs), MAX_TIMER_MS))
  }
  const stop = () => clearTimeout(timer)
  wait()
  return { check, stop }
}

function beat(): void {
  look()
  Atomics.store(header, DEBUGGED, debuggerUrl() === undefined ? 0 : 1)
  Atomics.add(header, BEATS, 1)
}

function look(): void {
  if (timer === undefined) return
  if (msSince(last) > SILENT_MS) silenceCount++
  const now = instant()
  if (now.at - last.at > STALL_MS) shareStall(runningTries(), identified ?? suspect(), now.at - sharedUntil, now.at)
  identified = undefined
  last = now
  sharedUntil = now.at
}

/** Runs on the main thread while the lease thread has paused it. Its async context is that of the blocking code. */
function identify(): void {
  identified = currentTry() ?? sole()
  const now = performance.now()
  shareStall(runningTries(), identified, now - sharedUntil, now)
  sharedUntil = now
  publish(identified)
}

/** Adds a stall to the tries that did not cause it. Their time limits do not count this time. */
export function shareStall(
  running: Iterable<Pick<RunningTry, 'startedAt' | 'stalledMs'>>,
  by: unknown,
  ms: number,
  now: number,
): void {
  for (const one of running) if (one !== by) one.stalledMs += Math.min(ms, now - one.startedAt - one.stalledMs)
}

function turnEnded(): void {
  isTurnEndAwaited = false
  enteredInThisTurn = undefined
  publish(suspect())
}

/** The most likely cause: the try that was entered last in this turn, else the only running try. */
function suspect(): RunningTry | undefined {
  return enteredInThisTurn ?? sole()
}

function sole(): RunningTry | undefined {
  const [first, second] = runningTries()
  return second === undefined ? first : undefined
}

function publish(one: RunningTry | undefined): void {
  if (one === published) return
  published = one
  if (one === undefined) return void Atomics.store(header, LENGTH, 0)
  const ofTask = textOf(one)
  text.set(ofTask)
  dagRunId[0] = one.dagRunId
  header[TRY] = one.tryNumber
  Atomics.store(header, LENGTH, ofTask.length)
}

/** The encoded facts for each task. Encoding them for each try would be the largest cost here. */
const texts = new Map<string, Map<string, Uint8Array>>()

function textOf({ dagId, taskId, limitMs }: RunningTry): Uint8Array {
  const ofDag = texts.get(dagId) ?? new Map<string, Uint8Array>()
  const known = ofDag.get(taskId) ?? new TextEncoder().encode(JSON.stringify({ dagId, taskId, limitMs }))
  texts.set(dagId, ofDag.set(taskId, known))
  return known
}

/** The lease thread's view of the main thread. */
export class Pulse {
  readonly #header: Int32Array
  readonly #dagRunId: Float64Array
  readonly #text: Uint8Array

  constructor(memory: SharedArrayBuffer) {
    this.#header = new Int32Array(memory, 0, HEADER_BYTES / 4)
    this.#dagRunId = new Float64Array(memory, HEADER_BYTES, 1)
    this.#text = new Uint8Array(memory, TEXT_AT)
  }

  get beats(): number {
    return Atomics.load(this.#header, BEATS)
  }

  get isDebugged(): boolean {
    return Atomics.load(this.#header, DEBUGGED) === 1
  }

  /** Undefined if no try is suspect. Reliable only while the main thread is blocked. */
  get suspect(): Suspect | undefined {
    const length = Atomics.load(this.#header, LENGTH)
    if (length === 0) return undefined
    const [dagRunId, tryNumber] = [this.#dagRunId[0] ?? 0, this.#header[TRY] ?? 0]
    try {
      // A view of shared memory cannot be decoded, so this copies it.
      const ofTask = JSON.parse(new TextDecoder().decode(this.#text.slice(0, length)))
      return { ...ofTask, dagRunId, tryNumber }
    } catch {
      return undefined
    }
  }
}
