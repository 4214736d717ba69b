-- A dag with the option `after` gets a run when the dags that it names have succeeded.
create table dag_after (
  dag_id text primary key references dag on delete cascade,
  sources text not null,
  since timestamptz not null default now()
);
comment on table dag_after is 'A dag that runs after other dags, as JSON in `sources`.';
comment on column dag_after.since is
  'Only later successes count: since the dag was registered, unpaused or got other sources. Up to this instant, all successes are counted.';

-- A success that a run was started after. `ended_at` tells it from a later success of the same run. A run that ends late
-- may commit an earlier `ended_at` than a run that was counted before. So the rows say what was counted, not an instant.
create table dag_after_success (
  dag_run_id bigint not null references dag_run on delete cascade,
  dag_id text not null references dag on delete cascade,
  task_id text not null,
  ended_at timestamptz not null,
  started_run_id bigint references dag_run on delete set null,
  primary key (dag_run_id, dag_id, task_id, ended_at)
);
create index dag_after_success_started on dag_after_success (started_run_id) where started_run_id is not null;
comment on column dag_after_success.dag_run_id is 'The run that succeeded, or whose task did.';
comment on column dag_after_success.dag_id is 'The dag that got a run.';
comment on column dag_after_success.task_id is 'Empty: the whole run.';
comment on column dag_after_success.started_run_id is 'The run that was started; null: it was deleted.';

create index dag_run_ended on dag_run (dag_id, ended_at) where ended_at is not null;
