import type { Skip } from '../dag/skips.ts'
import { type DagRunState, isTerminal, type TaskInstanceState } from '../dag/state.ts'
import type { LogLevel } from '../dag/task.ts'
import { storableRecord } from '../db/text.ts'
import { type DagRun, PREVIOUS } from './dag-runs.ts'
import type { Metadata } from './metadata.ts'
import { UNCLAIMED } from './pools.ts'
import { HANDED_OVER, type TaskInstance, type TryKey } from './task-instances.ts'

/** How one try of a task ended, as the executor reports it. */
export type Ending = {
  reason: string | null
  /** The error's stacks and causes, for the log. */
  error?: string
  /** JSON text of the task's output; null if the task declares no output. */
  output?: string | null
  /** True if the try ended while its code is still being aborted. The try keeps its pool slots until the code ends. */
  isStopping?: boolean
  /** True: all tasks downstream are skipped too. */
  skipsDownstream?: boolean
} & (
  | { state: 'success' | 'skipped' }
  | { state: 'failed'; retryable: boolean }
  | { state: 'up_for_reschedule'; dueAt: Date }
)

export type Failure = Ending & { state: 'failed' }

/** Moves a task instance to another state; refused unless it is in the state `from` at the try `fromTry`. */
export interface Transition extends Omit<TaskInstance, 'state' | 'lostTry' | 'heldBy'> {
  from: TaskInstanceState
  fromTry: number
  /** True if the try waits in the queue of the workers. Once a worker has claimed it, this is refused. */
  isUnclaimed?: boolean | undefined
  to: TaskInstanceState
  /** How the try ended; only set if the transition ends a try. */
  ended: Ending | null
}

/** How the owner's work on a run ended. `queued`: the owner released the unfinished run. */
export interface RunResult {
  state: DagRunState
  reason: string | null
}

/** The changes of one run that its owner wants to write, all or nothing. */
export interface RunChange {
  dagRunId: number
  /** The version that the owner knows. A clear, mark or cancel raises the version in the database. */
  version: number
  transitions: readonly Transition[]
  skips: readonly Skip[]
  /** The lengths of arrays that these transitions return, for each task that is mapped over one. */
  elements: readonly { over: string; id: string; length: number }[]
  /** True if the run's tasks may hold pool slots. */
  limited: boolean
  /** The tries that this change starts on workers. */
  handedOver?: readonly HandedOver[]
  /** The run's own new state, if it changes; `queued` releases it to another owner, `running` stores why it was stopped. */
  run: RunResult | null
  /** Why the run was stopped; stored with its new state. */
  stopReason?: string | null
}

/** A try that waits for a worker. Workers that serve `identifier` take the try. */
export interface HandedOver {
  taskId: string
  identifier: string
  /** Higher starts first. */
  priority: number
  /** Position in the graph. Lower starts first. */
  index: number
}

/** A change that was written. If it starts a task, `previous` is the current value of `DagRun.previous`. */
export type Written = { starts: boolean } & Pick<DagRun, 'previous'>

/** What a task logged. */
export interface LoggedLine {
  loggedAt: Date
  level: LogLevel
  message: string
  fields: Record<string, unknown> | undefined
}
export type LogLine = TryKey & LoggedLine

/**
 * Writes the changes of any number of runs, and log lines, in one statement and one commit. Returns the runs whose
 * change was written. If a run is missing in the answer, its owner or version has changed: reload it.
 *
 * The statement first locks the rows of the runs that this process still owns at the known version. If another process
 * adopts a run at the same time, there are two cases. The adoption waits for this write, or this write waits and then
 * does not change the run. So each change is written completely or not at all.
 *
 * @param handOver see `HandOver.sql`: a start is stored as `queued`, with a job for the workers
 */
export async function writeChanges(
  db: Metadata,
  jobId: number,
  changes: readonly RunChange[],
  logs: readonly LogLine[],
  handOver?: string,
): Promise<Map<number, Written>> {
  const runs = changes.map(({ dagRunId, version, run }) => storableRecord(dagRunId, version, run?.state, run?.reason))
  const onWorkers = handOver !== undefined
  const moves = changes.flatMap(({ dagRunId, transitions: all }) => all.map((one) => moveOf(dagRunId, one, onWorkers)))
  const extras = extrasOf(changes, logs, onWorkers)
  const parts = PART_NAMES.filter((part) => extras[part].length > 0)
  const { rows } = await db.query<Written & { dag_run_id: number }>({
    name: `write_changes_${parts.join('_')}`,
    text: statement(parts, handOver),
    values: [jobId, runs, moves, ...(parts.length === 0 ? [] : [db.channel, JSON.stringify(extras)])],
  })
  const missing = new Map<number, number>()
  for (const { dagRunId, transitions, run } of changes) missing.set(dagRunId, transitions.length + (run ? 1 : 0))
  const written = new Map<number, Written>(changes.map(({ dagRunId }) => [dagRunId, { starts: false, previous: null }]))
  for (const { dag_run_id: id, starts, previous } of rows) {
    missing.set(id, (missing.get(id) ?? 0) - 1)
    if (starts) written.set(id, { starts, previous })
  }
  for (const [id, left] of missing) if (left !== 0) written.delete(id)
  return written
}

function moveOf(dagRunId: number, move: Transition, onWorkers: boolean): string {
  const { taskId, from, fromTry, isUnclaimed, to, tryNumber, failures, lost, reason, ended, dueAt, isolated } = move
  // A final state must be written, because the run may end with it. Otherwise a try that a worker has claimed continues.
  const found = [dagRunId, taskId, isUnclaimed && !isTerminal(to) ? 'queued' : from, fromTry]
  const state = to === 'running' && onWorkers ? 'queued' : to
  const due = dueAt && new Date(Math.max(0, dueAt.getTime() - Date.now())).toISOString()
  return storableRecord(...found, state, tryNumber, failures, lost, reason, ended?.error, due, String(isolated))
}

type Part = keyof typeof PARTS
type Extras = Record<Part, unknown[]>

/**
 * The rows of the optional parts. Few writes have these parts, so JSON is fast enough. The statement omits an empty
 * part, because each part costs a tenth of its time.
 */
function extrasOf(changes: readonly RunChange[], logs: readonly LogLine[], onWorkers: boolean): Extras {
  const of = { handed: [], reports: [], tries: [], outputs: [], skips: [], elements: [], freed: [], runs: [] }
  const extras: Extras = { ...of, logs: [...logs] }
  const { reports, tries, outputs, freed } = extras
  for (const { dagRunId, transitions, limited, handedOver = [], skips, elements, run, stopReason } of changes) {
    if (run !== null) extras.runs.push({ id: dagRunId, stop: stopReason })
    for (const one of elements) extras.elements.push({ dagRunId, ...one })
    for (const one of skips) extras.skips.push({ dagRunId, ...one })
    for (const one of handedOver) extras.handed.push({ dagRunId, ...one })
    for (const { taskId, from, fromTry: tryNumber, to, ended } of transitions) {
      // A task instance that ends before its next try starts may already have a slot for that try.
      const isFree = from === 'running' ? onWorkers || !ended?.isStopping : isTerminal(to)
      if (limited && isFree) freed.push({ dagRunId, taskId, tryNumber: from === 'running' ? tryNumber : tryNumber + 1 })
      if (onWorkers && from === 'running') reports.push({ dagRunId, taskId, tryNumber })
      if (ended === null) continue
      const { state, reason, error, output = null } = ended
      // If the task instance ends with its try, its row has the same facts, so the try needs no row.
      if (!isTerminal(to) || state !== to) tries.push({ dagRunId, taskId, tryNumber, state, reason, error })
      if (output !== null) outputs.push({ dagRunId, taskId, output })
    }
  }
  return extras
}

/**
 * Returns one row, with the run's id, for each changed row. The conditions on `$4` and `$5` are always true: Postgres
 * needs each parameter to occur with its type, even if no part of this statement uses it.
 */
function statement(parts: readonly Part[], handOver = ''): string {
  if (parts.length === 0) return `with ${RUN} ${MOVE} returning t.dag_run_id, ${START}`
  const moved = `moved as (${MOVE} returning t.*, ${START})`
  // Postgres executes a select in a CTE only if the statement uses it.
  const used = parts.includes('handed') ? 'and (select count(*) from handed) >= 0' : ''
  return `with ${[RUN, moved, ...parts.map((part) => (part === 'handed' ? handOver : PARTS[part]))]}
    select dag_run_id, starts, previous from moved where $4::text is not null and $5::jsonb is not null ${used}
    ${parts.includes('runs') ? 'union all select dag_run_id, false, null from runs' : ''}`
}

/**
 * The join is lateral, so that Postgres finds each run by its key. Otherwise a plan from a time with few runs would
 * scan all runs.
 */
const RUN = `run as materialized (
  select r.dag_run_id, r.dag_id, r.logical_date, u.state, u.reason
  from unnest($2::metadata.dag_run_change[]) as u cross join lateral (
    select o.dag_run_id, o.dag_id, o.logical_date from metadata.dag_run o
    where o.dag_run_id = u.dag_run_id and o.job_id = $1 and o.version = u.version and o.ended_at is null
    for no key update
  ) r
)`

/**
 * The owner does not know whether a worker has claimed a try already. `c.due_at` is a wait, stored as an instant after
 * 1970, because the clocks of the process and the database may differ.
 */
const MOVE = `update metadata.task_instance t set
    state = c.state, try_number = c.try_number, failures = c.failures, lost = c.lost, reason = c.reason,
    error = c.error, isolated = c.isolated,
    due_at = least(now() + (c.due_at - 'epoch'), case when c.due_at is not null then timestamptz '9999-12-31' end),
    job_id = case when c.state = 'running' then $1 else t.job_id end,
    queued_at = case when c.state = 'queued' and c.try_number > c.from_try then now() end,
    started_at = case when c.state = 'running' then now() else t.started_at end,
    ended_at = case when c.state in ('success', 'failed', 'skipped', 'upstream_failed') then now() end
  from run r join unnest($3::metadata.task_instance_change[]) as c using (dag_run_id)
  where t.dag_run_id = c.dag_run_id and t.task_id = c.task_id and t.try_number = c.from_try
    and (t.state = c.from_state or c.from_state = 'running' and ${HANDED_OVER})`

/** A run that succeeds in this statement also counts as a previous run. */
const START = `c.state = 'running' as starts, case when c.state = 'running' then greatest(${PREVIOUS}, (
    select max(e.logical_date) from run e
    where e.dag_id = r.dag_id and e.state = 'success' and e.logical_date < r.logical_date)) end as previous`

/** Notifies the owner of the parent of the run `r` that the run has ended. */
export const CHILD_ENDED = (channel: string) => `case when r.ended_at is not null and r.parent_dag_run_id is not null
    then pg_notify(${channel}, 'changed:' || r.parent_dag_run_id || ':' || r.parent_task_id) end`

const PARTS = {
  /** Replaced by `HandOver.sql`. */
  handed: 'handed',
  // A report of an earlier try may be left over from a clear at the same moment.
  reports: `reports as (
  delete from metadata.task_report p
  using moved m join jsonb_to_recordset($5::jsonb -> 'reports') as e ("dagRunId" bigint, "taskId" text, "tryNumber" int)
    on e."dagRunId" = m.dag_run_id and e."taskId" = m.task_id
  where p.dag_run_id = m.dag_run_id and p.task_id = m.task_id and p.try_number <= e."tryNumber"
)`,
  // Checks of one wait are one try in the history, from the first to the last of them. A check that logged is kept.
  tries: `folded as (
  delete from metadata.task_instance_history h using moved m
  where h.dag_run_id = m.dag_run_id and h.task_id = m.task_id and h.try_number = m.try_number - 1
    and h.state = 'up_for_reschedule' and m.state = h.state and h.try_number > m.cleared_try and not exists (
      select from metadata.task_log where (dag_run_id, task_id, try_number) = (h.dag_run_id, h.task_id, h.try_number))
  returning h.dag_run_id, h.task_id, h.started_at
), tries as (
  insert into metadata.task_instance_history
    (dag_run_id, task_id, try_number, state, reason, error, job_id, started_at, ended_at)
  select m.dag_run_id, m.task_id, e."tryNumber", e.state, e.reason, e.error, m.job_id,
    coalesce(f.started_at, m.started_at), greatest(now(), m.started_at)
  from moved m join jsonb_to_recordset($5::jsonb -> 'tries') as e ("dagRunId" bigint, "taskId" text, "tryNumber" int,
    state text, reason text, error text) on e."dagRunId" = m.dag_run_id and e."taskId" = m.task_id
  left join folded f on f.dag_run_id = m.dag_run_id and f.task_id = m.task_id
)`,
  outputs: `outputs as (
  insert into metadata.xcom (dag_run_id, task_id, value)
  select m.dag_run_id, m.task_id, e.output::jsonb
  from moved m join jsonb_to_recordset($5::jsonb -> 'outputs') as e ("dagRunId" bigint, "taskId" text, output text)
    on e."dagRunId" = m.dag_run_id and e."taskId" = m.task_id
  on conflict (dag_run_id, task_id) do update set value = excluded.value
)`,
  skips: `skips as (
  insert into metadata.task_skip (dag_run_id, task_id, by_task_id, reason)
  select m.dag_run_id, e."taskId", m.task_id, e.reason
  from moved m join jsonb_to_recordset($5::jsonb -> 'skips') as e ("dagRunId" bigint, "taskId" text, by text, reason text)
    on e."dagRunId" = m.dag_run_id and e.by = m.task_id
  on conflict (dag_run_id, task_id, by_task_id) do update set reason = excluded.reason
)`,
  elements: `elements as (
  insert into metadata.task_instance (dag_run_id, task_id, state, try_number)
  select m.dag_run_id, e.id || '[' || i || ']', 'none', 0
  from moved m join jsonb_to_recordset($5::jsonb -> 'elements') as e ("dagRunId" bigint, over text, id text, length int)
    on e."dagRunId" = m.dag_run_id and e.over = m.task_id
  cross join generate_series(0, e.length - 1) i
  on conflict do nothing
)`,
  freed: `freed as (
  delete from metadata.pool_slot s
  using moved m join jsonb_to_recordset($5::jsonb -> 'freed') as e ("dagRunId" bigint, "taskId" text, "tryNumber" int)
    on e."dagRunId" = m.dag_run_id and e."taskId" = m.task_id
  where s.dag_run_id = m.dag_run_id and s.task_id = m.task_id and s.try_number = e."tryNumber" and ${UNCLAIMED}
  returning pg_notify($4, 'slot')
)`,
  // A run that ends makes room for a queued run of its dag, and wakes the parent that waits for it.
  runs: `runs as (
  update metadata.dag_run r set
    state = run.state, reason = run.reason,
    stop_reason = coalesce(e.stop, r.stop_reason),
    job_id = case when run.state <> 'queued' then r.job_id end,
    ended_at = case when run.state in ('success', 'failed') then now() end
  from run join jsonb_to_recordset($5::jsonb -> 'runs') as e (id bigint, stop text) on e.id = run.dag_run_id
  where r.dag_run_id = run.dag_run_id and run.state is not null
  returning r.dag_run_id, case when run.state = 'queued' or exists (
    select from metadata.dag_run q where q.dag_id = run.dag_id and q.state = 'queued' and q.dag_run_id <> run.dag_run_id
  ) then pg_notify($4, 'run') end, ${CHILD_ENDED('$4')}
)`,
  logs: `logs as (
  insert into metadata.task_log (dag_run_id, task_id, try_number, logged_at, level, message, fields)
  select r.dag_run_id, l."taskId", l."tryNumber", l."loggedAt", l.level, l.message, l.fields
  from rows from (jsonb_to_recordset($5::jsonb -> 'logs') as ("dagRunId" bigint, "taskId" text, "tryNumber" int,
    "loggedAt" timestamptz, level text, message text, fields jsonb)) with ordinality as l
  join metadata.dag_run r on r.dag_run_id = l."dagRunId"
  order by l.ordinality
)`,
}
const PART_NAMES = Object.keys(PARTS) as Part[]
