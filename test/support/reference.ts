import type { DagRunState, TerminalTaskState } from '../../src/dag/state.ts'
import type { TriggerRule } from '../../src/dag/trigger-rule.ts'

export interface ModelTask {
  id: string
  upstream: string[]
  rule: TriggerRule
  retries: number
  /** How each start ends; the last one repeats. With a `wait`, the task is a `waitFor`: that check returns false. */
  outcomes: ('success' | 'fail' | 'fail_for_good' | 'skip' | 'skip_downstream' | 'wait')[]
  /** The last tasks of the group `g`, if the task names the group as an upstream. */
  viaGroup?: readonly string[]
  /** Of a teardown: its setup. Its upstreams are the setup and everything after it. */
  teardown?: string
  /** Of a mapped task: the task that returns the array, and its length. */
  map?: { over: string; length: number }
  /** Of a branch: the tasks to choose from, by option, and the options that it chooses. The tasks come later. */
  branch?: { options: Readonly<Record<string, readonly string[]>>; chosen: readonly string[] }
  /** Of a task that starts a run: the tasks of that run's dag, and whether it waits for the end of the run. */
  child?: { tasks: readonly ModelTask[]; wait: boolean }
  dependsOnPast?: boolean
}

/** A task that waits for the previous run is `scheduled`, and a task that waits for other tasks is `none`. */
export type States = Record<string, TerminalTaskState | 'none' | 'scheduled'>

/** How often each task was started; without the tasks that were not. */
export type Starts = Record<string, number>

export interface ModelResult {
  states: States
  starts: Starts
  run: DagRunState
}

/**
 * The meaning of a dag in minimal code: it decides about the tasks in order. It has no concurrency and no database, and
 * shares no code with the runner.
 *
 * @param starts the starts before a clear; they are counted on
 * @param kept the states of tasks that ended before a clear and were not cleared
 * @param past the states of the previous run
 */
export function interpret(
  tasks: readonly ModelTask[],
  starts: Starts = {},
  kept: States = {},
  past?: States,
): ModelResult {
  const states = { ...kept }
  const skipped = new Set<string>()
  for (const task of tasks) {
    if (isEnded(states[task.id])) continue
    const isSkipped = skipped.has(task.id) || (task.teardown !== undefined && states[task.teardown] !== 'success')
    const verdict = isSkipped ? 'skipped' : judged(task, states)
    const isHeld = task.dependsOnPast && past && !['success', 'skipped'].includes(past[task.id] ?? '')
    if (verdict !== 'ready') states[task.id] = verdict
    else if (isHeld) states[task.id] = 'scheduled'
    else states[task.id] = task.map ? 'skipped' : task.child ? triggered(task, starts, states) : tried(task, starts)
    if (task.map && states[task.map.over] === 'success') states[task.id] = mapped(task, verdict, states, starts)
    if (states[task.id] === 'success') for (const id of notChosen(task)) skipped.add(id)
    const isShort = verdict === 'ready' && task.outcomes[(starts[task.id] ?? 0) - 1] === 'skip_downstream'
    if (isShort) for (const { id, teardown } of after(task.id, tasks)) if (teardown === undefined) skipped.add(id)
  }
  const red = tasks.some(({ id, teardown }) => !teardown && ['failed', 'upstream_failed'].includes(states[id] ?? ''))
  const isOver = tasks.every(({ id }) => isEnded(states[id]))
  return { states, starts, run: !isOver ? 'running' : red ? 'failed' : 'success' }
}

const ENDED = ['success', 'failed', 'skipped', 'upstream_failed'] as const

function isEnded(state: States[string] | undefined): boolean {
  return ENDED.some((one) => one === state)
}

function notChosen({ branch }: ModelTask): string[] {
  const chosen = new Set(branch?.chosen.flatMap((key) => branch.options[key] ?? []))
  return Object.values(branch?.options ?? {})
    .flat()
    .filter((id) => !chosen.has(id))
}

/** All tasks that are directly or indirectly downstream. */
export function after(id: string, tasks: readonly ModelTask[]): ModelTask[] {
  const direct = tasks.filter(({ upstream }) => upstream.includes(id))
  return [...direct, ...direct.flatMap((one) => after(one.id, tasks))]
}

type Verdict = 'ready' | 'skipped' | 'upstream_failed'

/** `none` if the verdict depends on upstreams that have not ended. */
function judged(task: ModelTask, states: States): Verdict | 'none' {
  const open = task.upstream.find((id) => !isEnded(states[id]))
  if (open === undefined) return verdictOf(task, states)
  if (task.rule === 'all_done') return 'none'
  const [verdict = 'none', ...others] = new Set(ENDED.map((end) => judged(task, { ...states, [open]: end })))
  return others.length === 0 ? verdict : 'none'
}

function verdictOf(task: ModelTask, states: States): Verdict {
  const ended = task.upstream.map((id) => states[id])
  const success = ended.filter((state) => state === 'success').length
  const skipped = ended.filter((state) => state === 'skipped').length
  const failed = ended.filter((state) => state === 'failed').length
  const total = ended.length
  const broken = total - success - skipped
  if (total === 0) return 'ready'
  const when = (ready: boolean, otherwise: 'skipped' | 'upstream_failed') => (ready ? 'ready' : otherwise)
  switch (task.rule) {
    case 'all_success':
      return when(success === total, broken > 0 ? 'upstream_failed' : 'skipped')
    case 'all_failed':
      return when(broken === total, 'skipped')
    case 'all_done':
    case 'always':
      return 'ready'
    case 'one_success':
      return when(success > 0, skipped === total ? 'skipped' : 'upstream_failed')
    case 'one_failed':
      return when(broken > 0, 'skipped')
    case 'one_done':
      return when(success + failed > 0, 'skipped')
    case 'none_failed':
      return when(broken === 0, 'upstream_failed')
    case 'none_failed_min_one_success':
      return broken > 0 ? 'upstream_failed' : when(success > 0, 'skipped')
    case 'none_skipped':
      return when(skipped === 0, 'skipped')
    case 'all_skipped':
      return when(skipped === total, 'skipped')
  }
}

/** Each element is a task of its own. The mapped task itself never starts: it ends as they do. */
function mapped(task: ModelTask, verdict: Verdict | 'none', states: States, starts: Starts): TerminalTaskState {
  const ends = Array.from({ length: task.map?.length ?? 0 }, (_, index) => {
    const id = `${task.id}[${index}]`
    states[id] = verdict === 'ready' ? tried({ ...task, id, outcomes: outcomesOf(task, index) }, starts) : verdict
    return states[id]
  })
  if (ends.includes('failed') || ends.includes('upstream_failed')) return 'upstream_failed'
  return ends.includes('success') ? 'success' : 'skipped'
}

/** The outcomes of an element, or in a later run: those of the task, from another one on. */
export function outcomesOf({ outcomes }: Pick<ModelTask, 'outcomes'>, index: number): ModelTask['outcomes'] {
  return outcomes.slice(index % outcomes.length)
}

/** Its tries start one run. So a retry would not change the end of that run, and there is none. */
function triggered({ id, child }: ModelTask, starts: Starts, states: States): TerminalTaskState {
  starts[id] = (starts[id] ?? 0) + 1
  const ended = interpret(child?.tasks ?? [], starts)
  Object.assign(states, ended.states)
  return child?.wait && ended.run === 'failed' ? 'failed' : 'success'
}

function tried(task: ModelTask, starts: Starts): TerminalTaskState {
  for (let failures = 0; ; ) {
    const start = starts[task.id] ?? 0
    starts[task.id] = start + 1
    const outcome = task.outcomes[Math.min(start, task.outcomes.length - 1)]
    if (outcome === 'wait') continue
    if (outcome === 'success') return 'success'
    if (outcome === 'skip' || outcome === 'skip_downstream') return 'skipped'
    if (outcome === 'fail_for_good' || ++failures > task.retries) return 'failed'
  }
}
