import type { TerminalTaskState } from './state.ts'

/** When a task starts, judged by how its upstreams ended. Airflow's names and outcomes. */
export const TRIGGER_RULES = [
  'all_success',
  'all_failed',
  'all_done',
  'one_success',
  'one_failed',
  'one_done',
  'none_failed',
  'none_failed_min_one_success',
  'none_skipped',
  'all_skipped',
  'always',
] as const
export type TriggerRule = (typeof TRIGGER_RULES)[number]

/** How many upstreams a task has and how those that ended did, with the first of each kind for the reason. */
export interface Tally {
  total: number
  success: number
  failed: number
  skipped: number
  upstream_failed: number
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

/**
 * What becomes of a task, or undefined while that is open.
 *
 * The outcome depends only on how the upstreams end, never on the order in which they do: it is given early
 * only when no later ending can change it. (Airflow skips an `all_success` task at the first skipped upstream
 * even when another one fails a moment later.)
 */
export function judge(rule: TriggerRule, tally: Tally): Verdict | undefined {
  const { total, success, skipped } = tally
  const broken = tally.failed + tally.upstream_failed
  const done = success + skipped + broken === total
  if (total === 0 || rule === 'always') return READY
  switch (rule) {
    case 'all_success':
      if (broken > 0) return upstreamFailed(tally)
      return done ? (skipped > 0 ? because(tally, 'skipped') : READY) : undefined
    case 'all_failed':
      if (success > 0) return because(tally, 'success')
      if (skipped > 0) return because(tally, 'skipped')
      return done ? READY : undefined
    case 'all_done':
      return done ? READY : undefined
    case 'one_success':
      if (success > 0) return READY
      return done ? (skipped === total ? because(tally, 'skipped') : upstreamFailed(tally)) : undefined
    case 'one_failed':
      if (broken > 0) return READY
      return done ? skip('no upstream failed') : undefined
    case 'one_done':
      if (success + tally.failed > 0) return READY
      return done ? skip('no upstream ran to its end') : undefined
    case 'none_failed':
      if (broken > 0) return upstreamFailed(tally)
      return done ? READY : undefined
    case 'none_failed_min_one_success':
      if (broken > 0) return upstreamFailed(tally)
      return done ? (success > 0 ? READY : because(tally, 'skipped')) : undefined
    case 'none_skipped':
      if (skipped > 0) return because(tally, 'skipped')
      return done ? READY : undefined
    case 'all_skipped':
      if (success > 0) return because(tally, 'success')
      if (tally.failed > 0) return because(tally, 'failed')
      if (broken > 0) return because(tally, 'upstream_failed')
      return done ? READY : undefined
  }
}

const READY: Verdict = { state: 'ready' }

const ENDED = {
  success: 'succeeded',
  failed: 'failed',
  skipped: 'was skipped',
  upstream_failed: 'could not run',
} as const

function skip(reason: string): Verdict {
  return { state: 'skipped', reason }
}

/** Skipped because of the first upstream that ended in `state`. */
function because(tally: Tally, state: TerminalTaskState): Verdict {
  return skip(`${tally.first[state]} ${ENDED[state]}`)
}

function upstreamFailed(tally: Tally): Verdict {
  const state = tally.failed > 0 ? 'failed' : 'upstream_failed'
  return { state: 'upstream_failed', reason: `${tally.first[state]} ${ENDED[state]}` }
}
