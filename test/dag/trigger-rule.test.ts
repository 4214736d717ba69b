import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TerminalTaskState } from '../../src/dag/state.ts'
import { count, emptyTally, judge, TRIGGER_RULES, type TriggerRule } from '../../src/dag/trigger-rule.ts'

const ENDINGS = ['success', 'failed', 'skipped', 'upstream_failed'] as const
const OPEN = 'running' as const
type Upstream = TerminalTaskState | typeof OPEN

/** Airflow's outcome for upstreams that all ended, written down rule by rule from its documentation. */
const AIRFLOW: Record<TriggerRule, (n: Record<TerminalTaskState, number>, total: number) => string> = {
  all_success: (n, total) =>
    n.failed + n.upstream_failed > 0 ? 'upstream_failed' : n.success === total ? 'ready' : 'skipped',
  all_failed: (n, total) => (n.failed + n.upstream_failed === total ? 'ready' : 'skipped'),
  all_done: () => 'ready',
  one_success: (n, total) => (n.success > 0 ? 'ready' : n.skipped === total ? 'skipped' : 'upstream_failed'),
  one_failed: (n) => (n.failed + n.upstream_failed > 0 ? 'ready' : 'skipped'),
  one_done: (n) => (n.success + n.failed > 0 ? 'ready' : 'skipped'),
  none_failed: (n) => (n.failed + n.upstream_failed > 0 ? 'upstream_failed' : 'ready'),
  none_failed_min_one_success: (n) =>
    n.failed + n.upstream_failed > 0 ? 'upstream_failed' : n.success > 0 ? 'ready' : 'skipped',
  none_skipped: (n) => (n.skipped > 0 ? 'skipped' : 'ready'),
  all_skipped: (n, total) => (n.skipped === total ? 'ready' : 'skipped'),
  always: () => 'ready',
}

function tallyOf(upstreams: readonly Upstream[]) {
  const tally = emptyTally(upstreams.length)
  upstreams.forEach((state, index) => {
    if (state !== OPEN) count(tally, `t${index}`, state)
  })
  return tally
}

/** Every combination of `n` upstreams with the given states. */
function mixes<T>(states: readonly T[], n: number): T[][] {
  if (n === 0) return [[]]
  return mixes(states, n - 1).flatMap((mix) => states.map((state) => [...mix, state]))
}

describe.each(TRIGGER_RULES)('%s', (rule) => {
  test('over all combinations of up to 4 ended upstreams, the outcome is that of Airflow', () => {
    for (const mix of [1, 2, 3, 4].flatMap((n) => mixes(ENDINGS, n))) {
      const tally = tallyOf(mix)
      expect(judge(rule, tally)?.state, mix.join()).toBe(AIRFLOW[rule](tally, mix.length))
    }
  })

  test('with running upstreams, decides early exactly if no later end can change the outcome', () => {
    for (const mix of [1, 2, 3, 4].flatMap((n) => mixes([...ENDINGS, OPEN], n))) {
      if (!mix.includes(OPEN)) continue
      const outcomes = new Set(completions(mix).map((ended) => judge(rule, tallyOf(ended))?.state))
      const early = judge(rule, tallyOf(mix))?.state
      if (early !== undefined) expect([...outcomes], mix.join()).toEqual([early])
      // For one_success, the outcome may be certain before the last upstream ends; to wait for it is not wrong.
      else if (outcomes.size === 1) expect(LATE_IS_FINE.has(rule), `${rule} ${mix.join()}`).toBe(true)
    }
  })

  test('without upstreams the task is ready; the reason of any other outcome names the upstream that caused it', () => {
    expect(judge(rule, emptyTally(0))).toEqual({ state: 'ready' })
    for (const mix of mixes(ENDINGS, 2)) {
      const verdict = judge(rule, tallyOf(mix))
      if (verdict === undefined || verdict.state === 'ready') continue
      expect(verdict.reason).toMatch(/^t\d (failed|succeeded|was skipped|could not run)$|^no upstream /)
    }
  })
})

/** The rules that wait for all upstreams, even if the outcome is certain earlier. */
const LATE_IS_FINE = new Set<TriggerRule>(['all_done'])

function completions(mix: readonly Upstream[]): TerminalTaskState[][] {
  return mixes(ENDINGS, mix.filter((state) => state === OPEN).length).map((endings) => {
    const left = [...endings]
    return mix.map((state) => (state === OPEN ? (left.pop() as TerminalTaskState) : state))
  })
}

test('the order in which upstreams end never changes the outcome', () => {
  const endings = fc.array(fc.constantFrom(...ENDINGS), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(fc.constantFrom(...TRIGGER_RULES), endings, fc.infiniteStream(fc.nat()), (rule, ended, random) => {
      const outcome = (order: readonly number[]) => {
        const tally = emptyTally(ended.length)
        for (const index of order) {
          const before = judge(rule, tally)
          if (before !== undefined) return before.state
          count(tally, `t${index}`, ended[index] as TerminalTaskState)
        }
        return judge(rule, tally)?.state
      }
      const order = ended.map((_, index) => index)
      const shuffled = [...order].sort(() => ((random.next().value ?? 0) % 2 === 0 ? 1 : -1))
      expect(outcome(shuffled)).toBe(outcome(order))
    }),
    { numRuns: 500 },
  )
})
