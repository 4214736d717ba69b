-- A task may start a run of another dag. Parent and child show each other, and the child's end wakes a parent that waits.
alter table dag_run add column parent_dag_run_id bigint references dag_run on delete set null,
  add column parent_task_id text,
  add column cancelled_with_parent boolean not null default false;
create index dag_run_parent on dag_run (parent_dag_run_id) where parent_dag_run_id is not null;
comment on column dag_run.parent_dag_run_id is 'The run whose task started this run; null: none, or it was deleted.';
comment on column dag_run.parent_task_id is 'The task of that run.';
comment on column dag_run.cancelled_with_parent is 'True: if the parent is cancelled or runs out of time, this run is cancelled too.';
comment on column dag_run.stop_reason is 'Why the run was cancelled, ran out of time or was interrupted. It fails when its teardowns have ended.';
