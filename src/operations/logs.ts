import { type DagRunState, isTerminal, type TaskInstanceState } from '../dag/state.ts'
import type { LogLevel } from '../dag/task.ts'
import type { Metadata } from '../metadata/metadata.ts'

export interface LogRow {
  line: number
  try_number: number
  logged_at: Date
  level: LogLevel
  message: string
  fields: Record<string, unknown> | null
}

/** Log lines of one task instance after `afterLine`, oldest first. Covers all tries unless `tryNumber` is set. */
export async function readLogs(
  db: Metadata,
  run: { dagId: string; runId: string },
  taskId: string,
  { tryNumber = null, afterLine = 0 }: { tryNumber?: number | null; afterLine?: number } = {},
): Promise<LogRow[]> {
  const { rows } = await db.query<LogRow>(
    `select l.line, l.try_number, l.logged_at, l.level, l.message, l.fields
     from metadata.task_log l
     where l.dag_run_id = (
         select r.dag_run_id from metadata.dag_run r where r.dag_id = $1 and ($2 = 'latest' or r.run_id = $2)
         order by r.dag_run_id desc limit 1)
       and l.task_id = $3 and ($4::int is null or l.try_number = $4) and l.line > $5
     order by l.try_number, l.line`,
    [run.dagId, run.runId, taskId, tryNumber, afterLine],
  )
  return rows
}

/** The end of a try that did not succeed. */
export interface TryEnd {
  try_number: number
  state: TaskInstanceState
  ended_at: Date
  reason: string | null
  /** Stacks and causes. */
  error: string | null
}

/** The ends of unsuccessful tries, in order. Null as `tryNumber` means all tries. */
export async function readEnds(
  db: Metadata,
  run: { dagId: string; runId: string },
  taskId: string,
  tryNumber: number | null,
): Promise<TryEnd[]> {
  const { rows } = await db.query<TryEnd>(
    `select try_number, t.state, t.ended_at, t.reason, t.error
     from metadata.task_try t join metadata.dag_run r using (dag_run_id)
     where r.dag_id = $1 and r.run_id = $2 and task_id = $3 and ($4::int is null or try_number = $4) and t.state <> 'success'
     order by try_number`,
    [run.dagId, run.runId, taskId, tryNumber],
  )
  return rows
}

interface Unlogged {
  state: TaskInstanceState
  try_number: number
  reason: string | null
}

/** Explains why one try, or every try, has no log: `it never started (skipped: DISCORD_WEBHOOK_URL is not set)`. */
export function whyNoLog(run: { state: DagRunState }, task: Unlogged, tryNumber: number | null = null): string {
  const { state, try_number, reason } = task
  const wanted = tryNumber ?? Math.max(1, try_number)
  if (wanted < try_number) return 'it logged nothing'
  const because = reason ?? (state === 'none' ? whyNotReady(run) : null)
  const status = because === null ? state : `${state}: ${because}`
  if (wanted > try_number) return `it ${isTerminal(state) ? 'never started' : 'has not started yet'} (${status})`
  return `it ${isTerminal(state) ? 'logged nothing' : 'has logged nothing yet'} (${status})`
}

function whyNotReady({ state }: { state: DagRunState }): string {
  return state === 'queued' ? 'its run is queued' : 'its upstream tasks have not ended'
}
