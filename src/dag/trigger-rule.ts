import type { TerminalTaskState } from './state.ts'

/** Counts a task's upstreams by their final state. `first` has the first task of each state, which the reason names. */
export interface Tally extends Record<TerminalTaskState, number> {
  total: number
  first: Partial<Record<TerminalTaskState, string>>
}

/** `success`: only of a mapped task whose elements have ended. */
export type Verdict = { state: 'ready' } | { state: 'success' | 'skipped' | 'upstream_failed'; reason: string | null }

export function emptyTally(total: number): Tally {
  return { total, success: 0, failed: 0, skipped: 0, upstream_failed: 0, first: {} }
}

export function count(tally: Tally, taskId: string, state: TerminalTaskState): void {
  tally[state]++
  tally.first[state] ??= taskId
}

type Judge = (tally: Tally) => Verdict | undefined

export const READY: Verdict = { state: 'ready' }
const ready: Judge = () => READY
const undecided: Judge = () => undefined

/**
 * The rules that decide from the final states of the upstreams whether a task starts. Names and outcomes are Airflow's.
 * The first function of a rule gives an early verdict, which no other upstream can change. The second function gives
 * the verdict after all upstreams have ended.
 */
const RULES = {
  all_success: [upstreamFailed, (tally) => skipIf(tally, 'skipped') ?? READY],
  all_failed: [(tally) => skipIf(tally, 'success', 'skipped'), ready],
  all_done: [undecided, ready],
  one_success: [({ success }) => readyIf(success > 0), (tally) => upstreamFailed(tally) ?? skipIf(tally, 'skipped')],
  one_failed: [(tally) => readyIf(brokenOf(tally) > 0), () => skipped('no upstream failed')],
  one_done: [({ success, failed }) => readyIf(success + failed > 0), () => skipped('no upstream ran to its end')],
  none_failed: [upstreamFailed, ready],
  none_failed_min_one_success: [upstreamFailed, (tally) => readyIf(tally.success > 0) ?? skipIf(tally, 'skipped')],
  none_skipped: [(tally) => skipIf(tally, 'skipped'), ready],
  all_skipped: [(tally) => skipIf(tally, 'success', 'failed', 'upstream_failed'), ready],
  always: [ready, ready],
} satisfies Record<string, [Judge, Judge]>
export type TriggerRule = keyof typeof RULES
export const TRIGGER_RULES = Object.keys(RULES) as TriggerRule[]

/**
 * Returns the verdict about a task, or undefined while it is undecided.
 *
 * The verdict depends only on the final states of the upstreams, never on their order. (In Airflow it depends on the
 * order: an `all_success` task is skipped at the first skipped upstream, even if another upstream fails a moment
 * later.)
 */
export function judge(rule: TriggerRule, tally: Tally): Verdict | undefined {
  const { total, success, skipped } = tally
  if (total === 0) return READY
  const [early, final] = RULES[rule]
  return early(tally) ?? (success + skipped + brokenOf(tally) === total ? final(tally) : undefined)
}

const ENDED = { success: 'succeeded', failed: 'failed', skipped: 'was skipped', upstream_failed: 'could not run' }

function brokenOf({ failed, upstream_failed }: Tally): number {
  return failed + upstream_failed
}

function readyIf(met: boolean): Verdict | undefined {
  return met ? READY : undefined
}

export function skipped(reason: string): Verdict {
  return { state: 'skipped', reason }
}

/** Skips the task if an upstream ended in one of these states; the reason names the first such upstream. */
function skipIf(tally: Tally, ...states: TerminalTaskState[]): Verdict | undefined {
  const state = states.find((one) => tally[one] > 0)
  return state && skipped(`${tally.first[state]} ${ENDED[state]}`)
}

function upstreamFailed(tally: Tally): Verdict | undefined {
  const state = (['failed', 'upstream_failed'] as const).find((one) => tally[one] > 0)
  return state && { state: 'upstream_failed', reason: `${tally.first[state]} ${ENDED[state]}` }
}
