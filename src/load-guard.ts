import { closeSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { currentCode } from './blame.ts'
import { exitNow, guardExit } from './process-exit.ts'
import { crash } from './stderr.ts'

/** A loading file may block the thread for this long. */
const BLOCKED_MS = 10_000
/** A loading file may take this long in total. */
const UNSETTLED_MS = 30_000

/**
 * Imports a pipeline's file and turns its misbehaviour into an error of this import: `process.exit`, an error thrown
 * later, a top-level await that never settles. A file that blocks the process (an endless loop) cannot be stopped: the
 * process exits after 10 s with code 2 and a message that names the file.
 */
export async function guardedImport<T>(file: string, importIt: () => Promise<T>): Promise<T> {
  let fail: Fail = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  failed.catch(() => {})
  const release = holdGuard()
  loading.add(fail)
  watchdog?.postMessage(file)
  const late = setTimeout(() => fail(new Error(`it did not load within ${UNSETTLED_MS / 1_000} s`)), UNSETTLED_MS)
  // Must not keep the process alive: if nothing else is pending, `beforeExit` reports the hang sooner.
  late.unref()
  try {
    return await Promise.race([settled(importIt()), failed])
  } finally {
    clearTimeout(late)
    loading.delete(fail)
    release()
  }
}

/** If the file does not await a rejected promise, Node reports the rejection one turn of the event loop later. */
async function settled<T>(importing: Promise<T>): Promise<T> {
  const module = await importing
  await turn()
  return module
}

type Fail = (error: Error) => void

/**
 * The files that are loading now. A late error does not say which file threw it, so the error fails all loading files.
 */
const loading = new Set<Fail>()
let watchdog: Worker | undefined
let beat: Int32Array = new Int32Array(1)
let beating: NodeJS.Timeout | undefined

let holders = 0
let allowExit = () => {}

/**
 * Keeps the guard active between files, because each start of the guard costs a new thread. Returns a function that
 * releases it.
 */
export function holdGuard(): () => void {
  if (holders++ === 0) open()
  return () => {
    if (--holders === 0) close()
  }
}

function open(): void {
  process.on('beforeExit', onIdle).on('uncaughtException', onUncaught).on(BLOCKED, onBlocked)
  allowExit = guardExit((call) => {
    const error = new Error(`it called ${call} while it was being loaded; a pipeline must not end the process`)
    failAll(error)
    throw error
  })
  // A debugger may pause inside a pipeline for any length of time.
  if (!process.execArgv.some((option) => option.startsWith('--inspect'))) startWatchdog()
}

function close(): void {
  process.off('beforeExit', onIdle).off('uncaughtException', onUncaught).off(BLOCKED, onBlocked)
  allowExit()
  clearInterval(beating)
  Atomics.store(beat, 0, STOP)
  Atomics.notify(beat, 0)
  watchdog = undefined
}

function failAll(error: Error): void {
  for (const fail of loading) fail(error)
}

/** True while a file is loading: an error that belongs to no task belongs to that file. */
export function isLoading(): boolean {
  return loading.size > 0
}

/** Between two files, the error does not come from a pipeline. */
function onUncaught(error: Error): void {
  if (currentCode() !== undefined) return
  if (loading.size === 0) crash(error)
  failAll(error)
}

function onIdle(): void {
  failAll(new Error('it never finishes loading: its top-level await never settles'))
}

/** The watchdog makes the main thread emit this event, which ends the process. */
const BLOCKED = 'tminus:blocked' as 'beforeExit'

/**
 * Runs inside the debugger. Closes stderr, where Node would mention the debugger; the watchdog has already reported.
 */
function onBlocked(): void {
  closeSync(2)
  exitNow(2)
}

const STOP = -1
const BEAT_MS = 500

/** Starts a watchdog thread. It acts only if the main thread no longer sends beats. */
function startWatchdog(): void {
  beat = new Int32Array(new SharedArrayBuffer(4))
  const workerData = { beat, blockedMs: BLOCKED_MS - GRACE_MS, graceMs: GRACE_MS, seconds: BLOCKED_MS / 1_000 }
  watchdog = new Worker(WATCHDOG, { eval: true, execArgv: [], env: {}, workerData })
  watchdog.unref()
  beating = setInterval(() => {
    Atomics.add(beat, 0, 1)
    Atomics.notify(beat, 0)
  }, BEAT_MS).unref()
}

/**
 * After a pause of the whole process (Ctrl-Z, a sleeping machine), the main thread must send a beat within this time.
 */
const GRACE_MS = 1_500

/**
 * Only the blocked thread can end the process with an exit code. So the watchdog pauses the blocked thread, as a
 * debugger would, and makes this thread exit. A thread that is blocked outside JavaScript does not pause; then a signal
 * ends the process.
 */
const WATCHDOG = `
const { workerData, parentPort, receiveMessageOnPort } = require('node:worker_threads')
const { beat, blockedMs, graceMs, seconds } = workerData
const isBlocked = () => {
  const seen = Atomics.load(beat, 0)
  if (seen === ${STOP}) return undefined
  return Atomics.wait(beat, 0, seen, blockedMs) === 'timed-out' && Atomics.wait(beat, 0, seen, graceMs) === 'timed-out'
}
let blocked = isBlocked()
while (blocked === false) blocked = isBlocked()
if (blocked) {
  let file = 'A pipeline'
  for (let next; (next = receiveMessageOnPort(parentPort)); ) file = next.message
  const sentence = '✖ ' + file + ' has blocked this process for ' + seconds + ' s while it was being loaded; fix its endless loop, or remove its folder from PIPELINES_DIR\\n'
  require('node:fs').writeSync(2, sentence)
  const { Session } = require('node:inspector')
  const session = new Session()
  session.connectToMainThread()
  session.on('Debugger.paused', () => session.post('Runtime.evaluate', { expression: 'process.emit("${BLOCKED}")' }))
  session.post('Debugger.enable')
  session.post('Debugger.pause')
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), 5000)
}
`
