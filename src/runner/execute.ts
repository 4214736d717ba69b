import { z } from 'zod'
import { type Abort, untilAbandoned } from '../abort.ts'
import { type RunningTry, runAs } from '../blame.ts'
import { dueAfter } from '../clock.ts'
import type { Http } from '../connectors/http.ts'
import type { Dag } from '../dag/dag.ts'
import { Rescheduled, Skipped, skip } from '../dag/ending.ts'
import { EACH } from '../dag/map.ts'
import { isGroup, type LogLevel, type Task, type TaskContext, type TaskLog, type Upstream } from '../dag/task.ts'
import { isOutage } from '../db/outage.ts'
import type { Database } from '../db/pool.ts'
import { MOST, storableJson, storableText } from '../db/text.ts'
import { humanDuration } from '../duration.ts'
import { isRetryable, messageOf, stacksOf, TminusError } from '../errors.ts'
import type { Ending } from '../metadata/transitions.ts'
import { beginTry, endTry, enterTry, limitTry } from '../pulse.ts'
import { nextTick } from '../timetable.ts'
import { failure } from './active-run.ts'
import type { Attempt } from './executor.ts'

/** The services that the process provides to its tasks. */
export interface Resources {
  db: Database
  openHttp(signal: AbortSignal): Http & { close(): Promise<void> }
  settingsOf(dag: Dag): Record<string, unknown>
  /** The current time for tasks, which the setting `CLOCK` can change. */
  now(): Date
  /**
   * Starts the run of a task that has a `child`, unless it exists, and returns the task's output. Throws `Rescheduled` if
   * the task waits for the end of the run.
   *
   * @param conf returns the run's params
   */
  childRun(attempt: Attempt, conf: () => unknown): Promise<unknown>
  /** The process's own log, for callbacks. */
  log(of: { dagId: string; runId: string }): TaskLog
  /** Removes secrets from text before it is stored. */
  scrub(text: string): string
}

export const MAX_OUTPUT_BYTES = 1_000_000

/** Executes one try under its time limit: reads inputs, runs the task's code, checks the output. Never rejects. */
export async function execute(attempt: Attempt, resources: Resources): Promise<Ending> {
  const { dag, task, abort } = attempt
  const running = runningTry(attempt)
  const limit = limitTry(running, (ms) => abort.abort(timedOut(ms)))
  const work = async (tools: Tools): Promise<Ending> => {
    try {
      const inputs = await readInputs(attempt)
      const confirmed = attempt.confirm()
      if (confirmed !== undefined) await confirmed
      abort.throwIfAborted()
      const context = contextOf(attempt, resources, tools)
      if (task.latestOnly) skipUnlessLatest(context)
      running.context = context
      enterTry(running)
      const call = () => task.run(inputs, context)
      const value = await (task.child ? resources.childRun(attempt, call) : call())
      return { state: 'success', reason: null, output: task.output ? await encodeOutput(task.output, value) : null }
    } finally {
      limit.check()
    }
  }
  const begin = (tools: Tools) => beginTry(running, () => untilAbandoned(() => work(tools), abort))
  try {
    return await withTools(dag, abort, resources, begin)
  } catch (error) {
    return Object.assign(endingOf(error, resources), abort.codeEnded && { isStopping: true })
  } finally {
    limit.stop()
    endTry(running)
  }
}

function runningTry({ run, dag, task, tryNumber, abort }: Attempt): RunningTry {
  const running: RunningTry = {
    dagRunId: run.dagRunId,
    dagId: dag.id,
    taskId: task.id,
    tryNumber,
    limitMs: task.executionTimeoutMs,
    startedAt: performance.now(),
    stalledMs: 0,
    fail: (error: Error) => abort.abort(error, true),
  }
  abort.run = (listeners) => runAs(running, listeners)
  return running
}

type Tools = Pick<TaskContext, 'settings' | 'signal' | 'now' | 'http'>

/** Creates expensive tools on first use, and closes HTTP requests after the work. */
export async function withTools<T>(dag: Dag, abort: Abort, resources: Resources, work: (tools: Tools) => Promise<T>) {
  const { openHttp, settingsOf, now } = resources
  let opened: ReturnType<typeof openHttp> | undefined
  const tools = {
    settings: settingsOf(dag),
    now,
    get signal() {
      return abort.signal
    },
    get http() {
      opened ??= openHttp(abort.signal)
      return opened
    },
  }
  try {
    return await work(tools)
  } finally {
    if (opened !== undefined) await opened.close()
  }
}

/** Reads the outputs of the upstream tasks, by input name. */
async function readInputs(attempt: Attempt, upstream: Upstream = attempt.task.upstream) {
  const inputs: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(upstream)) {
    const value = isGroup(member) ? await readInputs(attempt, member.members) : await readInput(attempt, name, member)
    if (value !== undefined) inputs[name] = value
  }
  return inputs
}

/** An element reads only its part of the array; what follows a mapped task reads the outputs of all elements. */
async function readInput({ readOutput, task: { mapIndex } }: Attempt, name: string, { id, over, ...of }: Task) {
  const output = of.stored ?? of.output
  if (output === undefined) return undefined
  const all = over === undefined ? ([id, output] as const) : ([`${id}[]`, z.array(z.undefined().or(output))] as const)
  const [address, schema] = name === EACH ? [`${id}[${mapIndex}]`, (output as z.ZodArray<z.ZodType>).element] : all
  const stored = await readOutput(address)
  const decoded = await z.safeDecodeAsync(stored === undefined ? z.undefined() : schema, stored)
  if (decoded.success) return decoded.data
  throw schemaError(`the stored output of '${id}' does not fit its schema`, decoded.error)
}

/** A run without a tick (triggered by a person, or after other dags) has no newer tick. */
function skipUnlessLatest({ runType, nextLogicalDate, now }: TaskContext): void {
  if (!['scheduled', 'backfill'].includes(runType) || nextLogicalDate === undefined || nextLogicalDate > now()) return
  throw skip(`the run of ${nextLogicalDate.toISOString()} is newer, and the task runs only in the latest run`)
}

/** This is a single literal because merging objects would cost ten times as much in every try. */
function contextOf(attempt: Attempt, resources: Resources, tools: Tools): TaskContext {
  const { run, dag, task, tryNumber, failures, firstStartedAt } = attempt
  const { now } = resources
  const context = Object.assign(tools, {
    dagId: dag.id,
    runId: run.runId,
    runType: run.runType,
    taskId: task.id,
    mapIndex: task.mapIndex,
    tryNumber,
    firstStartedAt: new Date(firstStartedAt.getTime() + now().getTime() - Date.now()),
    previousFailures: failures,
    maxTries: task.retries + 1,
    isLastTry: failures >= task.retries,
    params: dag.params.parse(run.conf),
    logicalDate: run.logicalDate,
    dataIntervalStart: run.dataIntervalStart,
    dataIntervalEnd: run.logicalDate,
    previous: run.previous ?? undefined,
    log: taskLog(attempt, resources),
    db: resources.db,
  })
  // Only on request: finding a rare tick takes longer than the rest of a try.
  const nextLogicalDate = { enumerable: true, get: () => nextTick(dag, run.logicalDate) }
  return Object.defineProperty(context, 'nextLogicalDate', nextLogicalDate) as TaskContext
}

function taskLog({ log }: Attempt, { scrub }: Resources): TaskLog {
  const line = (level: LogLevel) => (message: string, fields?: Record<string, unknown>) =>
    log.add({ loggedAt: new Date(), level, message, fields }, scrub)
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
}

/** Encodes the output as JSON text, and checks that a downstream task can decode it. */
async function encodeOutput(schema: z.ZodType, value: unknown): Promise<string> {
  const encoded = await z.safeEncodeAsync(schema, value)
  if (!encoded.success) throw schemaError('the output does not fit its schema', encoded.error)
  const text = storableJson(encoded.data)
  if (text === undefined) throw badOutput('the output is not JSON; return null if there is no output')
  const bytes = Buffer.byteLength(text)
  const tooLarge = `the output is ${bytes} bytes, over the limit of ${MAX_OUTPUT_BYTES}; store the data, return its location`
  if (bytes > MAX_OUTPUT_BYTES) throw badOutput(tooLarge)
  const decoded = await z.safeDecodeAsync(schema, JSON.parse(text))
  if (!decoded.success) throw schemaError('the output cannot be read back from JSON; use a codec', decoded.error)
  return text
}

export function endingOf(error: unknown, { scrub, now }: Pick<Resources, 'scrub' | 'now'>): Ending {
  const clean = (text: string, most = MOST.reason) => storableText(scrub(text), most)
  try {
    const message = messageOf(error)
    const isDriverError = isOutage(error) && !(error instanceof TminusError)
    const reason = clean(isDriverError ? `the database failed (${message}); is it up?` : message)
    if (error instanceof Skipped)
      return { state: 'skipped', reason, ...(error.downstream && { skipsDownstream: true }) }
    // `at` is an instant of the task's clock, but timers use the system clock.
    if (error instanceof Rescheduled)
      return { state: 'up_for_reschedule', dueAt: dueAfter(error.at.getTime() - now().getTime()), reason }
    const stacks = clean(stacksOf(error, clean), MOST.stacks)
    return { state: 'failed', reason, error: stacks, retryable: isRetryable(error) }
  } catch {
    return failure('it threw an error that cannot be read')
  }
}

export function timedOut(ms: number): TminusError {
  const reason = `took longer than its execution timeout of ${humanDuration(ms)}`
  return new TminusError(reason, { code: 'execution_timeout' })
}

function badOutput(message: string): TminusError {
  return new TminusError(message, { code: 'output_invalid', retryable: false })
}

function schemaError(what: string, { issues: [issue] }: z.ZodError): TminusError {
  const path = issue?.path.length ? ` at ${z.core.toDotPath(issue.path)}` : ''
  return badOutput(`${what}${path}: ${issue?.message ?? 'unknown'}`)
}
