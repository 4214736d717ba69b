import { realpathSync } from 'node:fs'
import { dirname, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { currentCode, type DagCode, type RunningTry, runningTries } from './blame.ts'
import type { Config } from './config.ts'
import { MOST, storableText } from './db/text.ts'
import { messageOf, stacksOf, TminusError } from './errors.ts'
import type { LoadedDags } from './load-dags.ts'
import { isLoading } from './load-guard.ts'
import type { Logger } from './log.ts'
import { exitNow, guardExit } from './process-exit.ts'
import type { Scrub } from './secrets.ts'
import { crash } from './stderr.ts'
import { visibleText } from './visible-text.ts'

export interface TaskGuardOptions {
  log: Logger
  scrub: Scrub
  config: Pick<Config, 'pipelinesDir'>
  /** A folder of PIPELINES_DIR may be a link to another place. */
  loaded: Pick<LoadedDags, 'files'>
}

interface Guarded extends TaskGuardOptions {
  roots: readonly string[]
  onBroken(reason: string): void
}

/** The longest time from an error that belongs to no task to the end of the process, ms. */
const END_WITHIN_MS = 10_000
/** How a verb ends such a process: it releases the runs within the time above. */
export const BROKEN = { graceMs: 0, abandonMs: 3_000, exitCode: 1 }
/** An ended try may leave an interval that throws again and again. */
const MOST_LOGGED = 10

let guarded: Guarded | undefined
let isInstalled = false
let uncaughtCount = 0
const logged = new WeakMap<RunningTry | DagCode, number>()
/** The error that the code which asked for an exit gets. */
const refusals = new WeakSet<object>()

/**
 * Fails a try if its code throws an error that nothing handles, or calls `process.exit`. The process continues.
 * If an error belongs to no code of a dag, `broken` resolves with a reason. The caller must then end the process; after
 * 10 s the guard ends it. After `unguard`, such an error ends the process at once.
 */
export function guardTasks(options: TaskGuardOptions): { broken: Promise<string>; unguard: () => void } {
  let onBroken: Guarded['onBroken'] = () => {}
  const broken = new Promise<string>((resolve) => {
    onBroken = resolve
  })
  guarded = { ...options, roots: rootsOf(options), onBroken }
  if (!isInstalled) install()
  isInstalled = true
  const own = guarded
  return { broken, unguard: () => void Object.assign(own, { onBroken: () => exitNow(1) }) }
}

function install(): void {
  // Node sends unhandled rejections here too.
  process.on('uncaughtException', onUncaught)
  guardExit(refuseExit)
  const { queueMicrotask } = globalThis
  // Node 20 loses the async context of an error that is thrown here.
  globalThis.queueMicrotask = (callback) =>
    queueMicrotask(currentCode() && typeof callback === 'function' ? () => guardCall(callback) : callback)
}

function guardCall(callback: () => void): void {
  try {
    callback()
  } catch (error) {
    onUncaught(error)
  }
}

function refuseExit(call: string): void {
  const code = currentCode()
  if (code === undefined) return
  const error = exitRefused(call)
  refusals.add(error)
  if (!isRunning(code) || !code.fail(error)) logError(code, error, 'a late call')
  throw error
}

function onUncaught(error: unknown): void {
  const code = currentCode()
  if (code === undefined && !isLoading()) endProcess(error)
  if (code === undefined || refusals.has(error as object)) return
  if (isRunning(code) && !isOfDag(error)) logError(code, error, 'an unhandled error that is not from a file of its dag')
  else if (!isRunning(code) || !code.fail(unhandled(error))) logError(code, error, 'a late unhandled error')
}

function isRunning(code: RunningTry | DagCode): code is RunningTry {
  return runningTries().has(code as RunningTry)
}

/** @param call for example `process.exit(1)` */
export function exitRefused(call: string): TminusError {
  return new TminusError(`called ${call}; a task must return or throw instead`, { code: 'task_exit' })
}

export function unhandled(cause: unknown): TminusError {
  const error = new TminusError(`unhandled error: ${messageOf(cause)}`, { code: 'task_unhandled', cause })
  // The stack frame of this wrapper does not help the reader.
  error.stack = `${error.name}: ${error.message}`
  return error
}

function logError(code: RunningTry | DagCode, error: unknown, what: string): void {
  const count = (logged.get(code) ?? 0) + 1
  logged.set(code, count)
  if (guarded === undefined || count > MOST_LOGGED) return
  const fields =
    'tryNumber' in code
      ? { dag_id: code.dagId, task_id: code.taskId, try_number: code.tryNumber }
      : { dag_id: code.dagId, part: code.part }
  const last = count === MOST_LOGGED ? '; its further errors are not logged' : ''
  guarded.log.warn(
    { ...fields, err: { message: messageOf(error), stack: stackOf(error) } },
    `${what}; not charged${last}`,
  )
}

function endProcess(error: unknown): void {
  if (guarded === undefined) crash(error)
  const { scrub, log, onBroken } = guarded
  const reason = storableText(scrub(`an uncaught error ended the process: ${messageOf(error)}`), MOST.reason)
  if (++uncaughtCount > 1) {
    const fields = { reason, err: { stack: stackOf(error) } }
    if (uncaughtCount <= MOST_LOGGED) log.warn(fields, 'another uncaught error while the process ends')
    return
  }
  const stack = visibleText(scrub(stackOf(error)).replaceAll(/\s*\n\s*/g, ' '))
  process.stderr.write(`✖ An error that belongs to no task ends this process: ${stack}\n`)
  setTimeout(() => exitNow(1), END_WITHIN_MS).unref()
  onBroken(reason)
}

function stackOf(error: unknown): string {
  try {
    return stacksOf(error, (message) => message)
  } catch {
    return messageOf(error)
  }
}

/**
 * True if a file of a dag created the error, its cause or one of its parts. An 'error' event without a listener has no
 * frame of a dag. But its emitter belongs to the code that created the emitter.
 */
function isOfDag(error: unknown, most = 10): boolean {
  try {
    if (typeof error !== 'object' || error === null || most === 0) return false
    const { stack, cause, errors } = error as Partial<Record<'stack' | 'cause' | 'errors', unknown>>
    if (String(stack).split('\n').some(isFrameOfDag) || isEmitted(error)) return true
    return isOfDag(cause, most - 1) || (Array.isArray(errors) && errors.some((one) => isOfDag(one, most - 1)))
  } catch {
    return false
  }
}

/** Node marks an error that it throws because an 'error' event has no listener. */
function isEmitted(error: object): boolean {
  const marks = Object.getOwnPropertySymbols(error).map(({ description }) => description)
  return marks.includes('kEnhanceStackBeforeInspector') || ('code' in error && error.code === 'ERR_UNHANDLED_ERROR')
}

const OWN = rootOf(import.meta.dirname)

/** PIPELINES_DIR may also contain the packages that a dag uses, and T-minus itself. */
function isFrameOfDag(line: string): boolean {
  if (!/^\s+at /.test(line) || OWN.some((own) => line.includes(own))) return false
  return (guarded?.roots ?? []).some((root) => line.split(root)[1]?.includes('/node_modules/') === false)
}

function rootsOf({ config, loaded }: TaskGuardOptions): string[] {
  const folders = [resolve(config.pipelinesDir), ...[...loaded.files.values()].map((file) => dirname(file))]
  return [...new Set(folders.flatMap((folder) => [folder, realpathSync(folder)]).flatMap(rootOf))]
}

/** A stack names a file by its path or its URL. */
function rootOf(folder: string): string[] {
  return [folder + sep, pathToFileURL(folder + sep).href]
}
