-- The runner's own tables. Times are the database's, so that processes on several machines agree on them.

create table job (
  job_id bigint generated always as identity primary key,
  kind text not null check (kind in ('pipeline', 'start', 'scheduler', 'worker', 'web')),
  state text not null default 'running' check (state in ('running', 'success', 'failed')),
  hostname text not null,
  pid int not null,
  -- Server process that holds its advisory lock; null until it does, and behind a transaction pooler for good: then
  -- only heartbeat_at tells whether it lives.
  backend_pid int,
  -- Since when that server process holds it: a lock taken before Postgres was last restarted was freed by that.
  locked_at timestamptz,
  started_at timestamptz not null default now(),
  heartbeat_at timestamptz not null default now(),
  ended_at timestamptz,
  reason text,
  check ((ended_at is not null) = (state <> 'running'))
);
create index job_running on job (job_id) where state = 'running';
comment on table job is 'A process that heartbeats: it holds an advisory lock for as long as it lives and renews heartbeat_at.';

create table dag (
  dag_id text primary key,
  description text not null default '',
  schedule text,
  timezone text not null default 'UTC',
  tags text[] not null default '{}',
  max_active_runs int not null default 16 check (max_active_runs > 0),
  max_active_tasks int check (max_active_tasks > 0),
  is_paused boolean not null default false,
  import_error text,
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now()
);
comment on column dag.is_paused is 'Paused dags get no scheduled runs; runs by hand still work.';

create table dag_version (
  dag_version_id bigint generated always as identity primary key,
  dag_id text not null references dag on delete cascade,
  hash text not null,
  graph jsonb not null,
  created_at timestamptz not null default now(),
  unique (dag_id, hash)
);
comment on table dag_version is 'The graphs runs were started with; a run finishes by its own.';

create table dag_run (
  dag_run_id bigint generated always as identity primary key,
  dag_id text not null,
  run_id text not null,
  run_type text not null check (run_type in ('manual', 'scheduled', 'backfill')),
  state text not null check (state in ('queued', 'running', 'success', 'failed')),
  logical_date timestamptz not null,
  data_interval_start timestamptz not null,
  data_interval_end timestamptz not null,
  conf jsonb not null default '{}',
  -- Its dag is this version's.
  dag_version_id bigint not null references dag_version on delete cascade,
  -- The owner: the only process that may advance this run.
  job_id bigint references job,
  -- Raised by whoever else changes the run or its task instances, so that the owner reads them again.
  version int not null default 0,
  reason text,
  queued_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  unique (dag_id, run_id),
  check ((ended_at is not null) = (state in ('success', 'failed'))),
  check (state <> 'running' or (job_id is not null and started_at is not null)),
  check (data_interval_start <= data_interval_end)
);
-- Two schedulers at the same tick: one row.
create unique index dag_run_scheduled on dag_run (dag_id, run_type, logical_date) where run_type = 'scheduled';
-- How many more runs of a dag may start; asked at each start of one, which others of that dag wait for. A function,
-- because its statements see what was committed while it waited. Names are put in place here: a search path of its
-- own would cost more than all it does.
do $do$ begin
  execute format($f$
    create function room_for_runs(wanted text) returns bigint language plpgsql volatile as $$
    declare most bigint;
    begin
      select max_active_runs into most from %1$I.dag where dag_id = wanted for no key update;
      return most - (select count(*) from %1$I.dag_run where dag_id = wanted and state = 'running');
    end $$ $f$, current_schema());
end $do$;

create index dag_run_latest on dag_run (dag_id, dag_run_id desc);
create index dag_run_unfinished on dag_run (dag_id, state, dag_run_id) where state in ('queued', 'running');

-- No index on a column that changes with the state: updates then stay within the page (HOT).
create table task_instance (
  dag_run_id bigint not null references dag_run on delete cascade,
  task_id text not null,
  state text not null default 'none' check (state in ('none', 'scheduled', 'queued', 'running', 'success', 'failed',
    'skipped', 'upstream_failed', 'up_for_retry', 'up_for_reschedule')),
  -- Counts every start, whatever came of it, and fences: a write names the try it belongs to.
  try_number int not null default 0 check (try_number >= 0),
  -- Tries that failed; compared with the task's retries. A lost or rescheduled try is not among them.
  failures int not null default 0 check (failures >= 0),
  lost int not null default 0 check (lost >= 0),
  reason text,
  -- The job that runs it. No foreign key: checking it at each start and end costs more than it tells.
  job_id bigint,
  -- When up_for_retry or up_for_reschedule is over.
  due_at timestamptz,
  started_at timestamptz,
  ended_at timestamptz,
  primary key (dag_run_id, task_id),
  check ((ended_at is not null) = (state in ('success', 'failed', 'skipped', 'upstream_failed'))),
  check ((job_id is not null) = (state = 'running')),
  check ((due_at is not null) = (state in ('up_for_retry', 'up_for_reschedule'))),
  check (state <> 'running' or started_at is not null)
) with (fillfactor = 60);

create table task_try (
  dag_run_id bigint not null,
  task_id text not null,
  try_number int not null,
  state text not null check (state in ('success', 'failed', 'skipped', 'up_for_reschedule')),
  reason text,
  error text,
  job_id bigint,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  primary key (dag_run_id, task_id, try_number),
  foreign key (dag_run_id, task_id) references task_instance on delete cascade,
  check (ended_at >= started_at)
);
comment on table task_try is 'How each start of a task instance ended.';

create table task_log (
  dag_run_id bigint not null references dag_run on delete cascade,
  task_id text not null,
  try_number int not null,
  line bigint generated always as identity,
  logged_at timestamptz not null,
  level text not null check (level in ('debug', 'info', 'warn', 'error')),
  message text not null,
  fields jsonb,
  primary key (dag_run_id, task_id, try_number, line)
);

create table xcom (
  dag_run_id bigint not null,
  task_id text not null,
  value jsonb not null,
  primary key (dag_run_id, task_id),
  foreign key (dag_run_id, task_id) references task_instance on delete cascade
);
comment on table xcom is 'What a task with an output schema returned, as JSON; read by its downstream tasks.';

create table pool (
  pool text primary key,
  slots int not null check (slots >= 0),
  description text not null default ''
);
comment on table pool is 'Limits that tasks share. A dag with maxActiveTasks has one of its own, dag:<dag_id>.';

create table pool_slot (
  pool text not null,
  dag_run_id bigint not null references dag_run on delete cascade,
  task_id text not null,
  job_id bigint not null references job,
  primary key (dag_run_id, task_id, pool)
);
create index pool_slot_used on pool_slot (pool);
comment on table pool_slot is 'Slots taken: by a task instance that runs or is about to.';

create table callback (
  dag_run_id bigint not null references dag_run on delete cascade,
  kind text not null check (kind in ('failure', 'success')),
  called_at timestamptz not null default now(),
  primary key (dag_run_id, kind)
);
comment on table callback is 'Written before onFailure or onSuccess is called: never twice for one end of a run.';
