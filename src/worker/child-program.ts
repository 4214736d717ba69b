/** The program of a child process. It loads one dag and executes tries of this dag, one at a time. */

import { Abort } from '../abort.ts'
import { currentTry, runningTries } from '../blame.ts'
import { within } from '../clock.ts'
import { codeVersion } from '../code-version.ts'
import { readDagSettings } from '../config.ts'
import { openHttp } from '../connectors/http.ts'
import type { Dag } from '../dag/dag.ts'
import { taskOf } from '../dag/map.ts'
import { type Database, openPool } from '../db/pool.ts'
import { TminusError } from '../errors.ts'
import { importDags } from '../load-dags.ts'
import { graphHash } from '../metadata/dags.ts'
import type { Ending } from '../metadata/transitions.ts'
import { guardExit } from '../process-exit.ts'
import { endingOf, execute, type Resources } from '../runner/execute.ts'
import { type Scrub, scrubber } from '../secrets.ts'
import { guardStderr, scrubStderr } from '../stderr.ts'
import { exitRefused, unhandled } from '../task-guard.ts'
import { VERSION } from '../version.ts'
import { ChildLog } from './child-log.ts'
import { footprint, leftoversSince } from './leftovers.ts'
import { watchParent } from './parent-watch.ts'
import type { Opening, Order, Output, Report, Start } from './protocol.ts'

/** After a try, the pool of `context.db` closes within this time unless the task keeps a connection. */
const CLOSE_MS = 1_000

/** The dag that this child has loaded. */
interface Loaded extends Opening {
  dag: Dag
  settings: Record<string, unknown>
  scrub: Scrub
}

/** The try that is running. */
interface Current {
  abort: Abort
  /** Ends the try. Does not wait for the task's code. */
  fail(error: unknown): void
  answers: Map<string, (answer: Output) => void>
}

let loaded: Loaded | undefined
let current: Current | undefined
/** The reason why this child must not be used again. */
let damage: string | null = null

const clock = { now: () => new Date(Date.now() + (loaded?.clockOffsetMs ?? 0)) }
const scrub: Scrub = (text) => (loaded?.scrub ?? scrubber({}))(text)
// A task may replace this function, so the original is kept.
const send = process.send?.bind(process)
const [silentMs, memoryMb] = process.argv.slice(2)
watchParent({ silentMs: Number(silentMs), memoryMb: memoryMb ? Number(memoryMb) : undefined })
guardStderr()
const writers = [process.stdout, process.stderr].map(keepApart)
process.on('uncaughtException', uncaught)
process.on('message', (order: Order) => void obey(order))

async function obey(order: Order): Promise<void> {
  if (order.kind === 'open') await report(await open(order))
  else if (order.kind === 'start') await run(order)
  else if (order.kind === 'output') current?.answers.get(order.taskId)?.(order)
  else current?.abort.abort(new TminusError(order.message, { code: order.code, retryable: order.retryable }))
}

async function open(opening: Opening): Promise<Report> {
  const { dagId, file, env, pipelinesDir } = opening
  try {
    const hashing = opening.codeVersion === null ? null : codeVersion(pipelinesDir)
    const [dags, version] = await Promise.all([importDags(file), hashing])
    const dag = dags.find((one): one is Dag => !(one instanceof Error) && one.id === dagId)
    if (dag === undefined || graphHash(dag.graph) !== opening.graphHash)
      throw new TminusError('its tasks have changed since the process started; restart the process', {
        code: 'dag_changed',
      })
    const read = readDagSettings(env, dag)
    if ('issues' in read) throw new TminusError(read.issues.join('; '), { code: 'config' })
    loaded = { ...opening, dag, settings: read.settings, scrub: scrubber(env, [dag]) }
    scrubStderr(loaded.scrub)
    // A signal may end a child. The parent reports the signal.
    guardExit((call, method) => method !== 'kill' && exitCalled(call))
    return { kind: 'opened', codeVersion: version }
  } catch (error) {
    const { reason, error: stacks = '' } = endingOf(error, { scrub: scrubber(env), now: clock.now })
    return { kind: 'refused', message: `the child process could not load dag '${dagId}': ${reason}`, error: stacks }
  }
}

async function run({ run, taskId, endMark, kind: _, ...facts }: Start): Promise<void> {
  const task = loaded && taskOf(loaded.dag, taskId)
  if (loaded === undefined || task === undefined) return
  const { tryNumber } = facts
  const before = footprint()
  const log = new ChildLog({ dagRunId: run.dagRunId, taskId, tryNumber }, report)
  const pool = new TaskPool(loaded)
  const attempt = { run, dag: loaded.dag, task, ...facts, isolated: true, abort: new Abort(), log: log.lines }
  const failed = new Promise<unknown>((resolve) => {
    current = { abort: attempt.abort, fail: resolve, answers: new Map() }
  }).then((error): Ending => endingOf(error, { scrub, now: clock.now }))
  const ending = await Promise.race([execute({ ...attempt, readOutput, confirm }, resourcesOf(loaded, pool)), failed])
  current = undefined
  await log.flushed()
  await report({ kind: 'ended', ending })
  const isPoolClosed = await pool.closed()
  const left = isPoolClosed ? await leftoversSince(before) : 'it kept a database connection'
  await log.flushed()
  log.close()
  await markEnd(endMark)
  await report({ kind: 'settled', left: damage ?? left ?? null })
}

function resourcesOf({ settings }: Loaded, pool: TaskPool): Resources {
  const none = () => {}
  return {
    get db() {
      return pool.database
    },
    openHttp: (signal) => openHttp({ userAgent: `tminus/${VERSION}`, signal }),
    settingsOf: () => settings,
    now: clock.now,
    // Tasks that start runs are never isolated.
    childRun: () => Promise.reject(new TminusError('a child process starts no runs', { code: 'isolated' })),
    // Callbacks run in the parent.
    log: () => ({ debug: none, info: none, warn: none, error: none }),
    scrub,
  }
}

/**
 * The database of one try. Its connections are closed after the try, so the next try does not inherit their session
 * settings.
 */
class TaskPool {
  readonly database: Database

  constructor({ databaseUrl, unnamed }: Opening) {
    this.database = openPool(databaseUrl, { unnamed })
  }

  /** Closes the database. Returns false if the task still uses a connection. */
  async closed(): Promise<boolean> {
    if (this.database.ended) return true
    const closed = this.database.end().then(() => true)
    return (await within(CLOSE_MS, closed)) ?? false
  }
}

/** The parent confirms that it is alive before it starts a try or answers. */
const confirm = () => undefined

/** The parent reads the outputs of upstream tasks, because this process has no access to the runner's tables. */
async function readOutput(taskId: string): Promise<unknown> {
  const answer = await new Promise<Output>((resolve) => {
    current?.answers.set(taskId, resolve)
    void report({ kind: 'read', taskId })
  })
  if (answer.problem !== undefined) throw new TminusError(answer.problem, { code: 'output_unread' })
  return answer.value
}

/**
 * Resolves when the message is written. The promise never rejects: if the parent is gone, the parent watch ends this
 * process.
 */
function report(message: Report): Promise<void> {
  return new Promise((resolve) => {
    if (send === undefined || !process.connected) resolve()
    else send(message, undefined, undefined, () => resolve())
  })
}

/** Writes an end line to both streams. When the parent reads it, the parent has read all earlier output. */
async function markEnd(endMark: string): Promise<void> {
  await Promise.all(writers.map((write) => new Promise((resolve) => write(`\n${endMark}\n`, resolve))))
}

/**
 * Drops late output of an earlier try, because it would appear in the next try. Returns the original method of the
 * stream.
 */
function keepApart(stream: NodeJS.WriteStream): NodeJS.WriteStream['write'] {
  const write = stream.write.bind(stream)
  stream.write = ((...args: Parameters<typeof write>) => {
    const by = currentTry()
    if (by === undefined || runningTries().has(by)) return write(...args)
    damage = 'it printed after its end'
    return true
  }) as typeof write
  return write
}

/** Handles an uncaught error. Only a running try fails. A try that has ended keeps its result. */
function uncaught(error: unknown): void {
  if (loaded === undefined) return
  fail(unhandled(error))
}

function exitCalled(call: string): never {
  const error = exitRefused(call)
  fail(error)
  throw error
}

function fail(error: TminusError): void {
  damage = error.message
  const by = currentTry()
  if (current !== undefined && (by === undefined || runningTries().has(by))) current.fail(error)
  else void report({ kind: 'late', error: endingOf(error, { scrub, now: clock.now }).error ?? error.message })
}
