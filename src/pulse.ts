import { url as debuggerUrl } from 'node:inspector'
import { currentTry, type RunningTry, runAs, runningTries } from './blame.ts'

/** A pause of the event loop that is longer than this counts as a silence: other processes may have noticed it. */
const SILENT_MS = 500
/** A longer pause is a stall: it counts against the time limit only of the try that caused it. */
const STALL_MS = 1_000
const BEAT_EVERY_MS = 250
/** The longest wait of a Node timer, 24 days. */
export const MAX_TIMER_MS = 2 ** 31 - 1
/** The thread emits this event on the paused main thread, to learn whose code is executing there. */
export const IDENTIFY = 'tminus:identify'

/**
 * What the main thread shares with the thread that renews its lease. `header`, then of the suspect: its dag_run_id as a
 * double, and JSON of what all tries of its task have in common.
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

/** Both clocks, ms: the monotonic one stops while the machine sleeps, the other one may be set. */
export interface Instant {
  at: number
  wall: number
}

export function instant(): Instant {
  return { at: performance.now(), wall: Date.now() }
}

/** Time since an instant, by the clock that says more, ms. A clock that was set forward only makes it longer. */
export function msSince({ at, wall }: Instant): number {
  return Math.max(performance.now() - at, Date.now() - wall)
}

let users = 0
let timer: NodeJS.Timeout | undefined
/** The last sign of life. */
let last = instant()
let silenceCount = 0
/** Until when the current stall has been shared among the tries. */
let sharedUntil = 0
/** The try in whose code the thread has found this one during the current stall. */
let identified: RunningTry | undefined
let enteredInThisTurn: RunningTry | undefined
let isTurnEndAwaited = false
let published: RunningTry | undefined

/** Starts to beat; returns what the thread reads, and a function that stops. */
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
 * changed, other processes may have declared this one dead meanwhile.
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

/** Call it directly before the code of a try. What blocks the event loop from here to the end of the turn is its doing. */
export function enterTry(one: RunningTry): void {
  look()
  enteredInThisTurn = one
  publish(one)
  if (!isTurnEndAwaited) setImmediate(turnEnded)
  isTurnEndAwaited = true
}

/**
 * Calls `exceeded` when a try has used up its time limit. Call `check` when its code has ended: if the code blocked the
 * event loop, the timer could not fire.
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

/** Runs while the thread has paused this one, in the async context of the code that is blocking. */
function identify(): void {
  identified = currentTry() ?? sole()
  const now = performance.now()
  shareStall(runningTries(), identified, now - sharedUntil, now)
  sharedUntil = now
  publish(identified)
}

/** Adds a stall to the time that does not count against the limits of the tries that did not cause it. */
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

/** The most likely try: the one that was entered last in this turn, else the only one that runs. */
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

/** By task, because encoding it for each try would cost more than all the rest. */
const texts = new Map<string, Map<string, Uint8Array>>()

function textOf({ dagId, taskId, limitMs }: RunningTry): Uint8Array {
  const ofDag = texts.get(dagId) ?? new Map<string, Uint8Array>()
  const known = ofDag.get(taskId) ?? new TextEncoder().encode(JSON.stringify({ dagId, taskId, limitMs }))
  texts.set(dagId, ofDag.set(taskId, known))
  return known
}

/** The thread's view of the main thread. */
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
