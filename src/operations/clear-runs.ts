import type { Dag } from '../dag/dag.ts'
import { messageOf, UsageError } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { type RunFilter, readRuns } from './list-runs.ts'
import { clear, type Selection } from './operate.ts'

/** The limit for one call. */
export const MOST_CLEARED = 1_000

export interface ClearRunsOptions extends Pick<Selection, 'onlyFailed'> {
  dryRun: boolean
  /** Also gives the runs the graph of this dag. */
  current?: Dag | undefined
}

export interface ClearedRun {
  runId: string
  taskIds: string[]
  /** Why the run could not be cleared; the others are cleared anyway. */
  error: string | null
}

/**
 * Clears the ended runs of a dag that match a filter, oldest first; without `state`, successful and failed ones. Each run
 * is one transaction, and a run that has changed since it was found is left alone. So after a kill, the same call
 * continues. Runs without a task to clear are not returned. Throws UsageError if too many runs match.
 */
export async function clearRuns(
  db: Metadata,
  filter: RunFilter & { dagId: string },
  { dryRun, current, onlyFailed = false }: ClearRunsOptions,
): Promise<ClearedRun[]> {
  const found = await readRuns(db, { ...filter, isOver: true, limit: MOST_CLEARED + 1 })
  if (found.length > MOST_CLEARED)
    throw new UsageError(`More than ${MOST_CLEARED} runs match; choose a shorter period, or clear them in parts`)
  const cleared: ClearedRun[] = []
  for (const { run_id: runId, state } of found.reverse()) {
    const selection = { onlyFailed, ifState: state }
    const one = await clear(db, { dagId: filter.dagId, runId }, selection, dryRun, current)
      .then(({ taskIds }): ClearedRun => ({ runId, taskIds, error: null }))
      .catch((error): ClearedRun => ({ runId, taskIds: [], error: refusal(error) }))
    if (one.taskIds.length > 0 || one.error !== null) cleared.push(one)
  }
  return cleared
}

/** Throws anything but a UsageError again: for example an outage, which would fail every other run too. */
function refusal(error: unknown): string {
  if (error instanceof UsageError) return messageOf(error)
  throw error
}
