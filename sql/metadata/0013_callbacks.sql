-- Callbacks of tasks and of late runs, each called at most once: the row or the time is written before the call.
create table task_callback (
  dag_run_id bigint not null references dag_run on delete cascade,
  task_id text not null,
  try_number int not null,
  kind text not null check (kind in ('failure', 'retry')),
  called_at timestamptz not null default now(),
  primary key (dag_run_id, task_id, try_number, kind)
);
comment on table task_callback is 'Written before onTaskFailure or onRetry is called: never twice for one try.';

alter table dag_run
  add column reopened_at timestamptz,
  add column late_at timestamptz;
comment on column dag_run.reopened_at is 'When a run that had ended was queued again, by a clear; null: never.';
comment on column dag_run.late_at is 'When the run was found late, before onLate is called; null: it is not late, or its dag has no onLate.';
