import { closeSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { allowExit, exitNow, refuseExit } from './process-exit.ts'
import { endBy } from './stderr.ts'

/** A file that is loading gets this long to be done, and no longer than the first without a pause. */
const BLOCKED_MS = 10_000
const UNSETTLED_MS = 30_000

/**
 * Imports a file of a pipeline so that it can fail only itself: `process.exit`, an error that it throws later, and a
 * top-level await that never settles are errors of the import. A file that blocks the process (an endless loop) ends
 * the process after 10 s with exit code 2 and a sentence that names the file.
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
  const late = setTimeout(() => fail(new Error(`it was not loaded within ${UNSETTLED_MS / 1_000} s`)), UNSETTLED_MS)
  // Not what keeps the process alive: with nothing else left to do, `beforeExit` tells that sooner.
  late.unref()
  try {
    return await Promise.race([settled(importIt()), failed])
  } finally {
    clearTimeout(late)
    loading.delete(fail)
    release()
  }
}

/** What is rejected while it loads and never awaited is reported a turn later. */
async function settled<T>(importing: Promise<T>): Promise<T> {
  const module = await importing
  await turn()
  return module
}

type Fail = (error: Error) => void

/** Of the files that are loading just now: an error that nothing else tells apart fails all of them. */
const loading = new Set<Fail>()
let watchdog: Worker | undefined
let beat: Int32Array = new Int32Array(1)
let beating: NodeJS.Timeout | undefined

let holders = 0

/** Keeps the guard up between files, since it takes a thread to be up. Returns how to let go of it. */
export function holdGuard(): () => void {
  if (holders++ === 0) open()
  return () => {
    if (--holders === 0) close()
  }
}

function open(): void {
  process.on('beforeExit', onIdle).on('uncaughtException', onUncaught).on(BLOCKED, onBlocked)
  refuseExit((call) => {
    const error = new Error(`it called ${call} while it was being loaded; a pipeline must not end the process`)
    failAll(error)
    throw error
  })
  // Somebody who debugs a pipeline may stop in it for as long as he likes.
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

/** Between two files it is not about a pipeline. */
function onUncaught(error: Error): void {
  if (loading.size === 0) endBy(error)
  failAll(error)
}

function onIdle(): void {
  failAll(new Error('it never finishes loading: its top-level await waits for what nothing will settle'))
}

/** An event of this process, by which the watchdog has it end itself. */
const BLOCKED = 'tminus:blocked' as 'beforeExit'

/** Called by the debugger: Node would write that one is attached. The watchdog has written what there is to say. */
function onBlocked(): void {
  closeSync(2)
  exitNow(2)
}

const STOP = -1
const BEAT_MS = 500

/** A thread that sleeps, and wakes only if the beat of this one stops. */
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

/** After a stop (Ctrl-Z, a machine that slept) this thread has so long to beat again. */
const GRACE_MS = 1_500

/**
 * Only the thread that is blocked can end the process with an exit code, so the watchdog has it do so, as a debugger
 * would: paused wherever it is. A thread that is blocked outside of JavaScript does not pause; then a signal ends the process.
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
  const sentence = '✖ ' + file + ' has blocked this process for ' + seconds + ' s while it was being loaded; mend its endless loop, or take its folder out of PIPELINES_DIR\\n'
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
