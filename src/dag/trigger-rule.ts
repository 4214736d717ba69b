import type { TerminalTaskState } from './state.ts'

/** How many upstreams a task has and how those that ended did, with the first of each kind for the reason. */
export interface Tally extends Record<TerminalTaskState, number> {
  total: number
  first: Partial<Record<TerminalTaskState, string>>
}

export type Verdict = { state: 'ready' } | { state: 'skipped' | 'upstream_failed'; reason: string }

export function emptyTally(total: number): Tally {
  return { total, success: 0, failed: 0, skipped: 0, upstream_failed: 0, first: {} }
}

export function count(tally: Tally, taskId: string, state: TerminalTaskState): void {
  tally[state]++
  tally.first[state] ??= taskId
}

type Judge = (tally: Tally) => Verdict | undefined

const READY: Verdict = { state: 'ready' }
const ready: Judge = () => READY
const open: Judge = () => undefined

/**
 * When a task starts, judged by how its upstreams ended. Airflow's names and outcomes. For each rule first what decides
 * it however the others end, then what it comes to once all have ended.
 */
const RULES = {
  all_success: [upstreamFailed, (tally) => because(tally, 'skipped') ?? READY],
  all_failed: [(tally) => because(tally, 'success', 'skipped'), ready],
  all_done: [open, ready],
  one_success: [({ success }) => readyIf(success > 0), (tally) => upstreamFailed(tally) ?? because(tally, 'skipped')],
  one_failed: [(tally) => readyIf(brokenOf(tally) > 0), () => skip('no upstream failed')],
  one_done: [({ success, failed }) => readyIf(success + failed > 0), () => skip('no upstream ran to its end')],
  none_failed: [upstreamFailed, ready],
  none_failed_min_one_success: [upstreamFailed, (tally) => readyIf(tally.success > 0) ?? because(tally, 'skipped')],
  none_skipped: [(tally) => because(tally, 'skipped'), ready],
  all_skipped: [(tally) => because(tally, 'success', 'failed', 'upstream_failed'), ready],
  always: [ready, ready],
} satisfies Record<string, [Judge, Judge]>
export type TriggerRule = keyof typeof RULES
export const TRIGGER_RULES = Object.keys(RULES) as TriggerRule[]

/**
 * What becomes of a task, or undefined while that is open.
 *
 * The outcome depends only on how the upstreams end, never on the order in which they do: it is given early
 * only when no later ending can change it. (Airflow skips an `all_success` task at the first skipped upstream
 * even when another one fails a moment later.)
 */
export function judge(rule: TriggerRule, tally: Tally): Verdict | undefined {
  const { total, success, skipped } = tally
  if (total === 0) return READY
  const [atOnce, atLast] = RULES[rule]
  return atOnce(tally) ?? (success + skipped + brokenOf(tally) === total ? atLast(tally) : undefined)
}

const ENDED = { success: 'succeeded', failed: 'failed', skipped: 'was skipped', upstream_failed: 'could not run' }

function brokenOf({ failed, upstream_failed }: Tally): number {
  return failed + upstream_failed
}

function readyIf(met: boolean): Verdict | undefined {
  return met ? READY : undefined
}

function skip(reason: string): Verdict {
  return { state: 'skipped', reason }
}

/** Skipped because of the first upstream that ended in the first of these states that any ended in. */
function because(tally: Tally, ...states: TerminalTaskState[]): Verdict | undefined {
  const state = states.find((one) => tally[one] > 0)
  return state && skip(`${tally.first[state]} ${ENDED[state]}`)
}

function upstreamFailed(tally: Tally): Verdict | undefined {
  const state = (['failed', 'upstream_failed'] as const).find((one) => tally[one] > 0)
  return state && { state: 'upstream_failed', reason: `${tally.first[state]} ${ENDED[state]}` }
}
