-- A branch skips the tasks that it did not choose, and a short circuit skips all tasks downstream, whatever their trigger
-- rules say. The rows outlive the end of the skipped task: if it is cleared without its branch, it is skipped again.
create table task_skip (
  dag_run_id bigint not null references dag_run on delete cascade,
  task_id text not null,
  by_task_id text not null,
  reason text not null,
  primary key (dag_run_id, task_id, by_task_id)
);
alter table task_instance add column cleared_try int not null default 0;
comment on column task_instance.cleared_try is 'The number of its last try when it was cleared. Later tries belong together: their failures are counted.';

comment on table task_skip is 'A task of a run that another task skips; deleted when that other task is cleared.';
