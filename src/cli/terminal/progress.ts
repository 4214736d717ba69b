import pc from 'picocolors'
import type { Dag } from '../../dag/dag.ts'
import { partsOf } from '../../dag/map.ts'
import { isTerminal, type TaskInstanceState } from '../../dag/state.ts'
import { humanDuration } from '../../duration.ts'
import type { LogLine, RunChange, RunResult, Transition } from '../../metadata/transitions.ts'
import type { RunView } from '../../runner/owned-run.ts'
import { columnsOf, wrap } from '../../terminal-text.ts'
import { printable, type Screen } from './screen.ts'

export interface Progress {
  started(run: RunView): void
  onChange(run: RunView, change: RunChange): void
  onLog(line: LogLine): void
  /** The user asked to stop the run. */
  stopping(): void
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

const SILENT: Progress = { started() {}, onChange() {}, onLog() {}, stopping() {}, finished() {}, close() {} }

/** Shows a run. On a terminal, each task has a live line below the log lines. In a pipe, each event is one line. */
export function openProgress(dag: Dag, { screen, debug }: { screen: Screen | undefined; debug: boolean }): Progress {
  if (screen === undefined) return SILENT
  const width = Math.max(...[...dag.tasks.keys()].map((id) => id.length), 0)
  const lines = dag.graph.nodes.map(
    ({ id }): TaskLine => ({ id, state: 'none', since: performance.now(), durationMs: undefined, detail: '' }),
  )
  const byId = new Map(lines.map((line) => [line.id, line]))
  let startedAt = performance.now()
  let own: RunView | undefined
  let waiting = false
  let ticking: NodeJS.Timeout | undefined
  /** Log lines that arrive before `started` is called. */
  const early: LogLine[] = []
  const textOf = (line: TaskLine) => taskLines(line, width, screen.columns)
  const draw = () => screen.draw(fitting(lines, textOf, screen.rows))
  return {
    started: (run) => {
      own = run
      startedAt = performance.now()
      screen.print([`${pc.bold(dag.id)} ${pc.dim(run.run.runId)}`])
      waiting = run.run.state === 'queued'
      if (waiting) screen.print([`  waiting for another run to end: this dag allows ${dag.maxActiveRuns} at once`])
      lines.forEach((line, index) => {
        Object.assign(line, { state: waiting ? 'none' : run.state.instance(index).state, since: performance.now() })
      })
      if (!screen.live) screen.print(lines.filter(({ state }) => state === 'running').flatMap(textOf))
      for (const line of early) screen.print(logLines(line, screen.columns))
      draw()
      if (screen.live) ticking = setInterval(draw, 100)
    },
    onChange: (run, { transitions }) => {
      if (run !== own) return
      if (waiting) startedAt = performance.now()
      waiting = false
      for (const transition of transitions) {
        const line = byId.get(transition.taskId)
        if (line === undefined) {
          countElement(run, byId.get(partsOf(transition.taskId).id), transition)
          continue
        }
        // An isolated task is shown as running before its start is written. So its start is not printed again.
        const isShown = transition.to === 'queued' || (transition.to === 'running' && line.state === 'running')
        advance(line, transition)
        if (!screen.live && !isShown) screen.print(textOf(line))
        if (debug && transition.ended?.error) screen.print([pc.dim(printable(transition.ended.error))])
      }
      draw()
    },
    onLog: (line) => {
      if (line.level === 'debug' && !debug) return
      if (own === undefined) early.push(line)
      else screen.print(logLines(line, screen.columns))
    },
    stopping: () => {
      // Most processes end within a second and never print this.
      const say = () => screen.print([pc.dim('  waiting for a task to stop; Ctrl-C again ends at once')])
      if (screen.live) setTimeout(say, 1_000).unref()
    },
    finished: (result) => {
      screen.draw([])
      if (screen.live) screen.print(lines.flatMap(textOf))
      const shown = screen.live ? lines.map(({ detail }) => detail) : []
      screen.print(wrap(summary(result, performance.now() - startedAt, shown), screen.columns))
    },
    close: () => {
      clearInterval(ticking)
      screen.keep()
    },
  }
}

/** All tasks, or only the active ones if the dag has more tasks than the terminal has rows. */
function fitting(lines: readonly TaskLine[], textOf: (line: TaskLine) => string[], rows: number): string[] {
  const all = lines.flatMap(textOf)
  if (all.length <= rows) return all
  const active = lines.filter(({ state }) => state !== 'none' && !isTerminal(state)).flatMap(textOf)
  const ended = lines.filter(({ state }) => isTerminal(state)).length
  return [...active.slice(0, rows - 1), pc.dim(`  ${ended} of ${lines.length} tasks have ended`)]
}

/** Shows how many elements of a mapped task have ended. */
function countElement(run: RunView, line: TaskLine | undefined, { to }: Transition): void {
  if (line === undefined || !isTerminal(to)) return
  const elements = run.state.instances.filter(({ taskId }) => taskId.startsWith(`${line.id}[`))
  line.detail = `${elements.filter(({ state }) => isTerminal(state)).length} of ${elements.length}`
}

function advance(line: TaskLine, { to, reason, ended }: Transition): void {
  if (isTerminal(to) || to.startsWith('up_for'))
    line.durationMs = line.state === 'running' ? performance.now() - line.since : undefined
  if (to === 'running') {
    line.since = performance.now()
    line.durationMs = undefined
  }
  line.state = to
  // A mapped task keeps the count of its elements.
  line.detail = reason ?? (ended?.output ? counts(ended.output) : ended === null && to === 'success' ? line.detail : '')
}

/** A task's output in one line, for example `fetched 34, inserted 34`. */
function counts(output: string): string {
  const value: unknown = JSON.parse(output)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return ''
  const members = Object.entries(value).flatMap(([name, member]) => {
    if (typeof member === 'number') return { zero: member === 0, text: `${name.replaceAll('_', ' ')} ${member}` }
    return typeof member === 'string' && member.length <= 20 ? { zero: false, text: member } : []
  })
  const nonzero = members.filter(({ zero }) => !zero)
  return (nonzero.length > 0 ? nonzero : members.slice(0, 1)).map(({ text }) => text).join(', ')
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

const STATE_WIDTH = 'up_for_retry'.length
const TIME_WIDTH = '100 ms'.length

/** If the detail does not fit beside the task, it goes on the lines below. */
function taskLines(line: TaskLine, width: number, columns: number): string[] {
  const { color } = LOOK[line.state]
  const running = line.state === 'running'
  const ms = running ? performance.now() - line.since : line.durationMs
  const time = ms === undefined || (running && ms < 100) ? '' : humanDuration(ms)
  const word = line.state === 'none' ? '' : line.state
  const name = `${color(signOf(line.state))} ${line.id.padEnd(width)}  ${color(word)}`
  const space = Math.min(STATE_WIDTH + 1 + TIME_WIDTH - word.length, columns - columnsOf(name)) - time.length
  const head = name + ' '.repeat(Math.max(1, space)) + time
  const detail = printable(line.detail)
  if (columnsOf(`${head}  ${detail}`) < columns) return [`${head}  ${detail}`.trimEnd()]
  return [head.trimEnd(), ...wrap(detail, columns - INDENT.length - 1).map((text) => INDENT + text)]
}

const INDENT = '    '

function signOf(state: TaskInstanceState): string {
  if (state !== 'running' || !process.stdout.isTTY) return LOOK[state].sign
  return SPINNER[Math.floor(performance.now() / 100) % SPINNER.length] ?? ''
}

function logLines({ taskId, level, message, fields }: LogLine, columns: number): string[] {
  const color = level === 'error' ? pc.red : level === 'warn' ? pc.yellow : pc.dim
  const text = printable(fields === undefined ? message : `${message} ${JSON.stringify(fields)}`)
  const lines = wrap(`${color(`${taskId}:`)} ${text}`, columns - INDENT.length - 1)
  return lines.map((line, index) => (index === 0 ? '  ' : INDENT) + line)
}

/** @param shown details that are on the screen already, and are not repeated */
function summary({ state, reason }: RunResult, ms: number, shown: readonly string[]): string {
  const took = `in ${humanDuration(ms)}`
  if (state === 'success') return `${pc.green('✔')} run succeeded ${took}`
  const why = reason ?? 'no reason given'
  const known = shown.find((detail) => detail !== '' && why.endsWith(`: ${detail}`))
  const short = known === undefined ? why : why.slice(0, -`: ${known}`.length)
  return `${pc.red('✖')} run failed ${took}: ${printable(short)}`
}
