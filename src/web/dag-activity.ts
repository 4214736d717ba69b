import type { DagRunState } from '../dag/state.ts'
import { listExecuting } from '../maintenance/alive.ts'
import { readNextRuns } from '../operations/next-runs.ts'
import type { WebContext, WebEnv } from './site.ts'

/** What a dag does now, for its board. */
export interface DagActivity {
  /** True if a live process executes runs. */
  isExecuted: boolean
  paused: boolean
  /** The next scheduled run; undefined without one, or while the dag is paused. */
  next: Date | undefined
  latest: { runId: string; state: DagRunState } | undefined
}

export async function readActivity(c: WebContext): Promise<DagActivity> {
  const { site, board } = c.var as WebEnv['Variables']
  const dag = site.dags.get(board.dagId)
  const [executing, nextRuns, { rows }] = await Promise.all([
    listExecuting(site.metadata),
    readNextRuns(site.metadata, dag ? [dag] : [], site.now()),
    site.metadata.query<{ runId: string; state: DagRunState }>(
      `select run_id as "runId", state from metadata.dag_run where dag_id = $1 order by dag_run_id desc limit 1`,
      [board.dagId],
    ),
  ])
  const { paused = false, next = [] } = nextRuns.get(board.dagId) ?? {}
  return { isExecuted: executing.length > 0, paused, next: next[0], latest: rows[0] }
}
