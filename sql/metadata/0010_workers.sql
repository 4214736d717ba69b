-- With EXECUTOR=distributed the owner of a run hands its tries to workers: other processes, maybe on other machines.
alter table task_instance add column queued_at timestamptz;
comment on column task_instance.queued_at is 'When its current try was handed to the workers. A queued task instance without it waits for a slot of its owner.';

alter table job add column engine_id text;
comment on column job.engine_id is 'Of a worker: how graphile-worker names it in the jobs that it has locked.';

-- Written by the worker that ran the try, deleted by the statement of the owner that ends it.
create table task_report (
  dag_run_id bigint not null references dag_run on delete cascade,
  task_id text not null,
  try_number int not null,
  ending jsonb not null,
  reported_at timestamptz not null default now(),
  primary key (dag_run_id, task_id, try_number)
);
comment on table task_report is 'How tries on workers ended, until the owner of the run has taken it in.';
