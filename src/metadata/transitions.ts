import type { DagRunState, TaskInstanceState } from '../dag/state.ts'
import type { LogLine } from './logs.ts'
import type { Metadata } from './metadata.ts'

/** One task instance from one state to another; refused unless it stands in `from` at `fromTry`. */
export interface Transition {
  taskId: string
  from: TaskInstanceState
  fromTry: number
  to: TaskInstanceState
  tryNumber: number
  failures: number
  lost: number
  reason: string | null
  dueAt: Date | null
  /** Set where the transition ends a try: how. */
  ended: {
    state: 'success' | 'failed' | 'skipped' | 'up_for_reschedule'
    reason: string | null
    error: string | null
  } | null
  /** JSON text of what the task returned. */
  output: string | null
}

/** What one run's owner wants written, all of it or nothing. */
export interface RunChange {
  dagRunId: number
  /** As the owner knows it; a higher one in the database means that somebody else changed the run. */
  version: number
  transitions: readonly Transition[]
  /** Set where the run itself moves. */
  run: { state: DagRunState; reason: string | null; released?: boolean } | null
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
  const { rows } = await db.query<{ dag_run_id: number; moved: number }>({
    name: 'write_changes',
    text: WRITE_CHANGES,
    values: [jobId, ...runColumns(changes), ...transitionColumns(changes), ...logColumns(logs), db.channel],
  })
  const moved = new Map(rows.map((row) => [row.dag_run_id, row.moved]))
  const whole = changes.filter((change) => moved.get(change.dagRunId) === change.transitions.length)
  return new Set(whole.map((change) => change.dagRunId))
}

const WRITE_CHANGES = `
with run as (
  select r.dag_run_id, r.dag_id, u.state, u.reason, u.released
  from unnest($2::bigint[], $3::int[], $4::text[], $5::text[], $6::bool[]) as u (dag_run_id, version, state, reason, released)
  join metadata.dag_run r on r.dag_run_id = u.dag_run_id
  where r.job_id = $1 and r.version = u.version and r.state = 'running'
  for no key update of r
), change as (
  select u.*
  from unnest($7::bigint[], $8::text[], $9::text[], $10::int[], $11::text[], $12::int[], $13::int[], $14::int[],
      $15::text[], $16::timestamptz[], $17::text[], $18::text[], $19::text[], $20::text[])
    as u (dag_run_id, task_id, from_state, from_try, to_state, to_try, failures, lost,
      reason, due_at, try_state, try_reason, try_error, output)
  join run using (dag_run_id)
), moved as (
  update metadata.task_instance t set
    state = c.to_state, try_number = c.to_try, failures = c.failures, lost = c.lost, reason = c.reason, due_at = c.due_at,
    job_id = case when c.to_state = 'running' then $1 end,
    started_at = case when c.to_state = 'running' then now() else t.started_at end,
    ended_at = case when c.to_state in ('success', 'failed', 'skipped', 'upstream_failed') then now() end
  from change c
  where t.dag_run_id = c.dag_run_id and t.task_id = c.task_id and t.state = c.from_state and t.try_number = c.from_try
  returning t.dag_run_id, t.task_id, t.started_at, c.from_try, c.try_state, c.try_reason, c.try_error, c.output
), tries as (
  insert into metadata.task_try (dag_run_id, task_id, try_number, state, reason, error, job_id, started_at, ended_at)
  select dag_run_id, task_id, from_try, try_state, try_reason, try_error, $1, started_at, greatest(now(), started_at)
  from moved where try_state is not null
), outputs as (
  insert into metadata.xcom (dag_run_id, task_id, value)
  select dag_run_id, task_id, output::jsonb from moved where output is not null
  on conflict (dag_run_id, task_id) do update set value = excluded.value
), freed as (
  delete from metadata.pool_slot s using moved m
  where m.try_state is not null and s.dag_run_id = m.dag_run_id and s.task_id = m.task_id
  returning s.pool
), runs as (
  update metadata.dag_run r set
    state = run.state, reason = run.reason,
    job_id = case when run.released then null else r.job_id end,
    ended_at = case when run.state in ('success', 'failed') then now() end
  from run where r.dag_run_id = run.dag_run_id and run.state is not null
), logs as (
  insert into metadata.task_log (dag_run_id, task_id, try_number, logged_at, level, message, fields)
  select l.dag_run_id, l.task_id, l.try_number, l.logged_at, l.level, l.message, l.fields::jsonb
  from unnest($21::bigint[], $22::text[], $23::int[], $24::timestamptz[], $25::text[], $26::text[], $27::text[])
    with ordinality as l (dag_run_id, task_id, try_number, logged_at, level, message, fields, position)
  join metadata.dag_run r using (dag_run_id)
  order by position
)
select run.dag_run_id, coalesce(m.moved, 0) as moved,
  case when exists (select from freed) then pg_notify($28, 'slot') end as slot,
  case when run.released or run.state is not null and exists (
    select from metadata.dag_run q where q.dag_id = run.dag_id and q.state = 'queued' and q.dag_run_id <> run.dag_run_id
  ) then pg_notify($28, 'run') end as room
from run left join (select dag_run_id, count(*)::int as moved from moved group by dag_run_id) m using (dag_run_id)`

function runColumns(changes: readonly RunChange[]): unknown[][] {
  return [
    changes.map((change) => change.dagRunId),
    changes.map((change) => change.version),
    changes.map((change) => change.run?.state ?? null),
    changes.map((change) => change.run?.reason ?? null),
    changes.map((change) => change.run?.released ?? false),
  ]
}

function transitionColumns(changes: readonly RunChange[]): unknown[][] {
  const rows = changes.flatMap(({ dagRunId, transitions }) =>
    transitions.map((one) => ({ dagRunId, ...one })),
  )
  return [
    rows.map((row) => row.dagRunId),
    rows.map((row) => row.taskId),
    rows.map((row) => row.from),
    rows.map((row) => row.fromTry),
    rows.map((row) => row.to),
    rows.map((row) => row.tryNumber),
    rows.map((row) => row.failures),
    rows.map((row) => row.lost),
    rows.map((row) => row.reason),
    rows.map((row) => row.dueAt),
    rows.map((row) => row.ended?.state ?? null),
    rows.map((row) => row.ended?.reason ?? null),
    rows.map((row) => row.ended?.error ?? null),
    rows.map((row) => row.output),
  ]
}

function logColumns(logs: readonly LogLine[]): unknown[][] {
  return [
    logs.map((line) => line.dagRunId),
    logs.map((line) => line.taskId),
    logs.map((line) => line.tryNumber),
    logs.map((line) => line.loggedAt),
    logs.map((line) => line.level),
    logs.map((line) => line.message),
    logs.map((line) => (line.fields === undefined ? null : JSON.stringify(line.fields))),
  ]
}
