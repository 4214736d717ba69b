import pc from 'picocolors'
import type { Dag } from '../dag/dag.ts'
import { humanDuration } from '../dag/duration.ts'
import { isTerminal, type TaskInstanceState } from '../dag/state.ts'
import type { LogLine } from '../metadata/logs.ts'
import type { Transition } from '../metadata/transitions.ts'
import type { OwnedRun, RunResult } from '../runner/owned-run.ts'

export interface Progress {
  started(run: OwnedRun): void
  onChange(run: OwnedRun, transitions: readonly Transition[]): void
  onLog(line: LogLine): void
  finished(result: RunResult): void
  close(): void
}

interface TaskLine {
  id: string
  state: TaskInstanceState
  since: number
  durationMs: number | undefined
  detail: string
}

const SILENT: Progress = { started() {}, onChange() {}, onLog() {}, finished() {}, close() {} }

/** A run as it goes: on a terminal one live line a task under what the tasks log, in a pipe a plain line an event. */
export function openProgress(dag: Dag, { json, debug }: { json: boolean; debug: boolean }): Progress {
  if (json) return SILENT
  const live = process.stdout.isTTY === true
  const screen = new Screen(live)
  const width = Math.max(...[...dag.tasks.keys()].map((id) => id.length), 0)
  const lines = dag.graph.nodes.map(
    ({ id }): TaskLine => ({ id, state: 'none', since: Date.now(), durationMs: undefined, detail: '' }),
  )
  const byId = new Map(lines.map((line) => [line.id, line]))
  let startedAt = Date.now()
  let own: OwnedRun | undefined
  /** A first task may speak before it is known that its run began. */
  const early: LogLine[] = []
  const draw = () => screen.draw(lines.map((line) => taskLine(line, width)))
  const ticking = live ? setInterval(draw, 100) : undefined
  return {
    started: (run) => {
      own = run
      startedAt = Date.now()
      screen.print(`${pc.bold(dag.id)} ${pc.dim(run.run.runId)}`)
      if (run.run.state === 'queued')
        screen.print(`  waits: ${dag.maxActiveRuns} active at once is all this dag allows`)
      lines.forEach((line, index) => {
        Object.assign(line, { state: run.state.instance(index).state, since: Date.now() })
      })
      for (const line of early) screen.print(logLine(line))
      draw()
    },
    onChange: (run, transitions) => {
      if (run !== own) return
      for (const transition of transitions) {
        const line = byId.get(transition.taskId)
        if (line === undefined) continue
        advance(line, transition)
        if (!live && transition.to !== 'queued') screen.print(taskLine(line, width))
        if (debug && transition.ended?.error) screen.print(pc.dim(transition.ended.error))
      }
      draw()
    },
    onLog: (line) => {
      if (line.level === 'debug' && !debug) return
      if (own === undefined) {
        early.push(line)
        return
      }
      screen.print(logLine(line))
      draw()
    },
    finished: (result) => {
      draw()
      screen.keep()
      screen.print(summary(result, Date.now() - startedAt))
    },
    close: () => {
      clearInterval(ticking)
      screen.keep()
    },
  }
}

function advance(line: TaskLine, { to, reason, output }: Transition): void {
  if (isTerminal(to) || to.startsWith('up_for'))
    line.durationMs = line.state === 'running' ? Date.now() - line.since : undefined
  if (to === 'running') {
    line.since = Date.now()
    line.durationMs = undefined
  }
  line.state = to
  line.detail = reason ?? (output === null ? '' : counts(output))
}

/** What a task returned, in a line: `fetched 34, inserted 34`. */
function counts(output: string): string {
  const value: unknown = JSON.parse(output)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return ''
  return Object.entries(value)
    .filter(([, member]) => typeof member === 'number' || (typeof member === 'string' && member.length <= 20))
    .map(([name, member]) => `${name.replaceAll('_', ' ')} ${member}`)
    .join(', ')
}

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

const LOOK: Readonly<Record<TaskInstanceState, { sign: string; color: (text: string) => string }>> = {
  none: { sign: '·', color: pc.dim },
  scheduled: { sign: '·', color: pc.dim },
  queued: { sign: '·', color: pc.dim },
  running: { sign: '▸', color: pc.cyan },
  success: { sign: '✔', color: pc.green },
  failed: { sign: '✖', color: pc.red },
  skipped: { sign: '↷', color: pc.magenta },
  upstream_failed: { sign: '✖', color: pc.yellow },
  up_for_retry: { sign: '↻', color: pc.yellow },
  up_for_reschedule: { sign: '↻', color: pc.cyan },
}

function taskLine(line: TaskLine, width: number): string {
  const { sign, color } = LOOK[line.state]
  const spin =
    line.state === 'running' && process.stdout.isTTY
      ? (SPINNER[Math.floor(Date.now() / 100) % SPINNER.length] ?? sign)
      : sign
  const ms = line.state === 'running' ? Date.now() - line.since : line.durationMs
  const time = ms === undefined || (line.state === 'running' && ms < 100) ? '' : humanDuration(ms)
  return `${color(spin)} ${line.id.padEnd(width)}  ${color(line.state.padEnd(11))} ${time.padStart(6)}  ${line.detail}`.trimEnd()
}

function logLine({ taskId, level, message, fields }: LogLine): string {
  const color = level === 'error' ? pc.red : level === 'warn' ? pc.yellow : pc.dim
  const text = fields === undefined ? message : `${message} ${JSON.stringify(fields)}`
  const [first = '', ...rest] = text.split('\n')
  return [`${color(`  ${taskId}:`)} ${first}`, ...rest.map((line) => `    ${line}`)].join('\n')
}

function summary({ state, reason }: RunResult, ms: number): string {
  const took = `in ${humanDuration(ms)}`
  if (state === 'success') return `${pc.green('✔')} run succeeded ${took}`
  return `${pc.red('✖')} run failed ${took}: ${reason ?? 'no reason given'}`
}

/** Lines that stay, above a block that is drawn again. */
class Screen {
  readonly #live: boolean
  #drawn = 0

  constructor(live: boolean) {
    this.#live = live
  }

  print(text: string): void {
    this.#erase()
    process.stdout.write(`${text}\n`)
  }

  draw(lines: string[]): void {
    if (!this.#live) return
    this.#erase()
    const columns = process.stdout.columns || 80
    process.stdout.write(lines.map((line) => `${clip(line, columns)}\n`).join(''))
    this.#drawn = lines.length
  }

  /** What is drawn now stays. */
  keep(): void {
    this.#drawn = 0
  }

  #erase(): void {
    if (this.#drawn > 0) process.stdout.write(`\u001b[${this.#drawn}A\u001b[0J`)
    this.#drawn = 0
  }
}

/** Cuts to the terminal's width, so that a line stays a line; colour codes take no room. */
function clip(line: string, columns: number): string {
  let room = columns - 1
  let clipped = ''
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what is looked for
  for (const [part] of line.matchAll(/\u001b\[[0-9;]*m|./gsu)) {
    if (part.startsWith('\u001b')) clipped += part
    else if (room-- > 0) clipped += room === 0 && line.length > columns ? '…' : part
  }
  return clipped
}
