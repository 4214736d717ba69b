import type { DagRunState, TaskInstanceState } from '../dag/state.ts'
import type { LogLine } from './logs.ts'
import type { Metadata } from './metadata.ts'
import type { TaskInstance } from './task-instances.ts'

/** How one try of a task ended, as the executor reports it. */
export type Ending = {
  reason: string | null
  /** For the log: stacks and causes. */
  error?: string
  /** JSON text of what it returned; null where the task declares none. */
  output?: string | null
} & (
  | { state: 'success' | 'skipped' }
  | { state: 'failed'; retryable: boolean }
  | { state: 'up_for_reschedule'; dueAt: Date }
)

/** One task instance from one state to another; refused unless it stands in `from` at `fromTry`. */
export interface Transition extends Omit<TaskInstance, 'state'> {
  from: TaskInstanceState
  fromTry: number
  to: TaskInstanceState
  /** Set where the transition ends a try: how. */
  ended: Pick<Ending, 'state' | 'reason' | 'error'> | null
  /** JSON text of what the task returned. */
  output: string | null
}

/** What one run's owner wants written, all of it or nothing. */
export interface RunChange {
  dagRunId: number
  /** As the owner knows it; a higher one in the database means that somebody else changed the run. */
  version: number
  transitions: readonly Transition[]
  /** True where its tasks may hold slots of pools. */
  limited: boolean
  /** Set where the run itself moves; to `queued` it is given back, for another owner. */
  run: { state: DagRunState; reason: string | null } | null
}

/**
 * Writes the changes of any number of runs, and waiting log lines, in one statement and so one commit. Returns the
 * runs whose change went in; of the others nothing did: read them again to see why.
 *
 * The run rows are locked first, still owned and of the version known: an adopter waits for this write or this
 * write waits for it and then finds nothing to do. So a change goes in whole or not at all.
 */
export async function writeChanges(
  db: Metadata,
  jobId: number,
  changes: readonly RunChange[],
  logs: readonly LogLine[],
): Promise<Set<number>> {
  const runs = changes.map(({ dagRunId, version, run }) => ({ dagRunId, version, ...run }))
  const moves = changes.flatMap(({ dagRunId, transitions }) => transitions.map((one) => ({ dagRunId, ...one })))
  const parts = partsOf(changes, logs)
  const { rows } = await db.query<{ dag_run_id: number; moved: number }>({
    name: `write_changes_${parts.join('_')}`,
    text: statement(parts),
    values: [jobId, db.channel, JSON.stringify(runs), JSON.stringify(moves), JSON.stringify(logs)],
  })
  const moved = new Map(rows.map((row) => [row.dag_run_id, row.moved]))
  const whole = changes.filter((change) => moved.get(change.dagRunId) === change.transitions.length)
  return new Set(whole.map((change) => change.dagRunId))
}

type Part = keyof typeof PARTS

/** What a write needs besides moving task instances: an executor node less is a tenth of the statement's time. */
function partsOf(changes: readonly RunChange[], logs: readonly LogLine[]): Part[] {
  const some = (has: (one: Transition) => boolean) => changes.some(({ transitions }) => transitions.some(has))
  const needed: Record<Part, boolean> = {
    tries: some(({ ended }) => ended !== null),
    outputs: some(({ output }) => output !== null),
    freed: changes.some(({ limited }) => limited),
    runs: changes.some(({ run }) => run !== null),
    logs: logs.length > 0,
  }
  return (Object.keys(PARTS) as Part[]).filter((part) => needed[part])
}

function statement(parts: readonly Part[]): string {
  return `${MOVED}${parts.map((part) => PARTS[part]).join('')}
select run.dag_run_id, (select count(*)::int from moved m where m.dag_run_id = run.dag_run_id) as moved,
  ${parts.includes('freed') ? `case when exists (select from freed) then pg_notify($2, 'slot') end` : 'null'} as slot,
  ${parts.includes('runs') ? ROOM : '$2::text'} as room, $5::jsonb is null as logged
from run`
}

/** Lateral, so that each run is looked up by its key: a plan made while there were few runs would read all of them. */
const MOVED = `
with run as materialized (
  select r.dag_run_id, r.dag_id, u.state, u.reason
  from jsonb_to_recordset($3::jsonb) as u ("dagRunId" bigint, version int, state text, reason text)
  cross join lateral (
    select o.dag_run_id, o.dag_id from metadata.dag_run o
    where o.dag_run_id = u."dagRunId" and o.job_id = $1 and o.version = u.version and o.ended_at is null
    for no key update
  ) r
), change as (
  select u.*
  from jsonb_to_recordset($4::jsonb) as u ("dagRunId" bigint, "taskId" text, "from" text, "fromTry" int, "to" text,
    "tryNumber" int, failures int, lost int, reason text, "dueAt" timestamptz, ended jsonb, output text)
  join run on run.dag_run_id = u."dagRunId"
), moved as (
  update metadata.task_instance t set
    state = c."to", try_number = c."tryNumber", failures = c.failures, lost = c.lost, reason = c.reason, due_at = c."dueAt",
    job_id = case when c."to" = 'running' then $1 end,
    started_at = case when c."to" = 'running' then now() else t.started_at end,
    ended_at = case when c."to" in ('success', 'failed', 'skipped', 'upstream_failed') then now() end
  from change c
  where t.dag_run_id = c."dagRunId" and t.task_id = c."taskId" and t.state = c."from" and t.try_number = c."fromTry"
  returning t.dag_run_id, t.task_id, t.started_at, c."fromTry" as try_number, nullif(c.ended, 'null') as ended, c.output
)`

const PARTS = {
  tries: `, tries as (
  insert into metadata.task_try (dag_run_id, task_id, try_number, state, reason, error, job_id, started_at, ended_at)
  select dag_run_id, task_id, try_number, ended ->> 'state', ended ->> 'reason', ended ->> 'error', $1, started_at,
    greatest(now(), started_at)
  from moved where ended is not null
)`,
  outputs: `, outputs as (
  insert into metadata.xcom (dag_run_id, task_id, value)
  select dag_run_id, task_id, output::jsonb from moved where output is not null
  on conflict (dag_run_id, task_id) do update set value = excluded.value
)`,
  freed: `, freed as (
  delete from metadata.pool_slot s using moved m
  where m.ended is not null and s.dag_run_id = m.dag_run_id and s.task_id = m.task_id
  returning s.pool
)`,
  runs: `, runs as (
  update metadata.dag_run r set
    state = run.state, reason = run.reason,
    job_id = case when run.state <> 'queued' then r.job_id end,
    ended_at = case when run.state in ('success', 'failed') then now() end
  from run where r.dag_run_id = run.dag_run_id and run.state is not null
)`,
  logs: `, logs as (
  insert into metadata.task_log (dag_run_id, task_id, try_number, logged_at, level, message, fields)
  select r.dag_run_id, l."taskId", l."tryNumber", l."loggedAt", l.level, l.message, l.fields
  from rows from (jsonb_to_recordset($5::jsonb) as ("dagRunId" bigint, "taskId" text, "tryNumber" int,
    "loggedAt" timestamptz, level text, message text, fields jsonb)) with ordinality as l
  join metadata.dag_run r on r.dag_run_id = l."dagRunId"
  order by l.ordinality
)`,
}

/** Whoever waits for room in this dag is told. */
const ROOM = `case when run.state = 'queued' or run.state is not null and exists (
    select from metadata.dag_run q where q.dag_id = run.dag_id and q.state = 'queued' and q.dag_run_id <> run.dag_run_id
  ) then pg_notify($2, 'run') end`
