import { z } from 'zod'
import type { Http } from '../connectors/http.ts'
import type { Dag, RunEnd } from '../dag/dag.ts'
import { Rescheduled, Skipped } from '../dag/ending.ts'
import type { LogLevel, Task, TaskContext, TaskLog } from '../dag/task.ts'
import { loggable } from '../db/loggable.ts'
import { isOutage } from '../db/outage.ts'
import type { Database } from '../db/pool.ts'
import { MOST, storableJson, storableText } from '../db/text.ts'
import { humanDuration } from '../duration.ts'
import { isRetryable, messageOf, stacksOf, TminusError } from '../errors.ts'
import type { Ending } from '../metadata/transitions.ts'
import type { Abort } from './abort.ts'
import { failure } from './active-run.ts'
import type { Attempt } from './executor.ts'
import { dueAfter, LONGEST_MS } from './timers.ts'

/** What tasks are given to work with. */
export interface Resources {
  db: Database
  openHttp(signal: AbortSignal): Http & { close(): Promise<void> }
  settingsOf(dag: Dag): Record<string, unknown>
  /** The time tasks are told; follows `CLOCK`. */
  now(): Date
  /** The process's own log, for what is not a task. */
  log(end: RunEnd): TaskLog
  /** Takes secrets out of what is about to be stored. */
  scrub(text: string): string
}

/** A task that does not stop within this time of being told to is left behind; its result is refused. */
export const ABANDON_AFTER_MS = 10_000
export const MAX_OUTPUT_BYTES = 1_000_000

/** One try: inputs, the task's own code and output under its time limit. Whatever happens is an ending. */
export async function execute(attempt: Attempt, resources: Resources): Promise<Ending> {
  const { dag, task, abort } = attempt
  const ms = task.executionTimeoutMs
  const timer = ms === undefined ? undefined : setTimeout(() => abort.abort(timedOut(ms)), Math.min(ms, LONGEST_MS))
  try {
    const work = async (tools: Tools): Promise<Ending> => {
      const inputs = await readInputs(attempt)
      abort.throwIfAborted()
      const value = await task.run(inputs, contextOf(attempt, resources, tools))
      return { state: 'success', reason: null, output: await encodeOutput(task, value) }
    }
    return await withTools(dag, abort, resources, (tools) => untilAbandoned(() => work(tools), abort))
  } catch (error) {
    return endingOf(error, resources)
  } finally {
    clearTimeout(timer)
  }
}

type Tools = Pick<TaskContext, 'settings' | 'signal' | 'now' | 'http'>

/** What costs is made when first looked at, and requests are closed with the work. */
export async function withTools<T>(
  dag: Dag,
  abort: Abort,
  { openHttp, settingsOf, now }: Resources,
  work: (tools: Tools) => Promise<T>,
): Promise<T> {
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
    await opened?.close()
  }
}

/** Outputs of the upstream tasks under the names the author gave them; undefined where there is none. */
async function readInputs(attempt: Attempt): Promise<Record<string, unknown>> {
  const inputs: Record<string, unknown> = {}
  for (const [name, { id, output }] of Object.entries(attempt.task.upstream)) {
    if (output === undefined) continue
    const stored = await attempt.readOutput(id)
    if (stored === undefined) continue
    const decoded = await z.safeDecodeAsync(output, stored)
    if (!decoded.success) throw misfit(`the stored output of '${id}' does not fit its schema`, decoded.error)
    inputs[name] = decoded.data
  }
  return inputs
}

/** One literal: putting it together out of several costs ten times as much, at every try. */
function contextOf(attempt: Attempt, resources: Resources, tools: Tools): TaskContext {
  const { run, dag, task, tryNumber } = attempt
  return Object.assign(tools, {
    dagId: dag.id,
    runId: run.runId,
    runType: run.runType,
    taskId: task.id,
    tryNumber,
    params: dag.params.parse(run.conf),
    logicalDate: run.logicalDate,
    dataIntervalStart: run.dataIntervalStart,
    dataIntervalEnd: run.logicalDate,
    previous: run.previous ?? undefined,
    log: taskLog(attempt, resources),
    db: resources.db,
  })
}

function taskLog(attempt: Attempt, { scrub }: Resources): TaskLog {
  const { run, task, tryNumber } = attempt
  const at = { dagRunId: run.dagRunId, taskId: task.id, tryNumber }
  const line = (level: LogLevel) => (message: string, fields?: Record<string, unknown>) => {
    const text = storableText(scrub(typeof message === 'string' ? message : messageOf(message)), MOST.line)
    attempt.log({ ...at, loggedAt: new Date(), level, message: text, fields: fields && loggable(fields, scrub) })
  }
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
}

/** Waits for the work, but after an abort no longer than it takes to give up on it; an aborted try never succeeds. */
export async function untilAbandoned<T>(work: () => Promise<T>, abort: Abort): Promise<T> {
  abort.throwIfAborted()
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<T>((resolve, reject) => {
      abort.onAbort = (reason) => {
        timer = setTimeout(reject, ABANDON_AFTER_MS, reason)
      }
      work().then(resolve, reject)
    })
  } finally {
    abort.onAbort = undefined
    clearTimeout(timer)
    abort.throwIfAborted()
  }
}

/** JSON text of what the task returned, checked both ways: a downstream task must be able to read it. */
async function encodeOutput(task: Task, value: unknown): Promise<string | null> {
  if (task.output === undefined) return null
  const encoded = await z.safeEncodeAsync(task.output, value)
  if (!encoded.success) throw misfit('the output does not fit its schema', encoded.error)
  const text = storableJson(encoded.data)
  if (text === undefined) throw badOutput('the output is not JSON; return null where there is nothing to say')
  const bytes = Buffer.byteLength(text)
  const tooLarge = `the output is ${bytes} bytes, over the limit of ${MAX_OUTPUT_BYTES}; store the data, return where it is`
  if (bytes > MAX_OUTPUT_BYTES) throw badOutput(tooLarge)
  const decoded = await z.safeDecodeAsync(task.output, JSON.parse(text))
  if (!decoded.success) throw misfit('the output cannot be read back from JSON; use a codec', decoded.error)
  return text
}

function endingOf(error: unknown, { scrub, now }: Resources): Ending {
  const clean = (text: string, most = MOST.reason) => storableText(scrub(text), most)
  try {
    const said = messageOf(error)
    const driversWords = isOutage(error) && !(error instanceof TminusError)
    const reason = clean(driversWords ? `the database failed (${said}); is it up?` : said)
    if (error instanceof Skipped) return { state: 'skipped', reason }
    // The task speaks by its own clock; waiting is done by the real one.
    if (error instanceof Rescheduled)
      return { state: 'up_for_reschedule', dueAt: dueAfter(error.at.getTime() - now().getTime()), reason }
    const stacks = clean(stacksOf(error, clean), MOST.stacks)
    return { state: 'failed', reason, error: stacks, retryable: isRetryable(error) }
  } catch {
    return failure('it threw an error that cannot be read')
  }
}

function timedOut(ms: number): TminusError {
  const reason = `took longer than its execution timeout of ${humanDuration(ms)}`
  return new TminusError(reason, { code: 'execution_timeout' })
}

function badOutput(message: string): TminusError {
  return new TminusError(message, { code: 'output_invalid', retryable: false })
}

function misfit(what: string, error: z.ZodError): TminusError {
  const [issue] = error.issues
  const path = issue?.path.length ? ` at ${z.core.toDotPath(issue.path)}` : ''
  return badOutput(`${what}${path}: ${issue?.message ?? 'unknown'}`)
}
