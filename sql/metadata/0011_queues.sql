-- A worker takes only tasks of the queues that it serves. A null value means that the version which wrote the row did not
-- record it.
alter table job
  add column queues text[],
  add column slots int,
  add column tminus_version text;
comment on column job.queues is 'Of a worker: the queues that it serves.';
comment on column job.slots is 'How many tries run in this process at a time. Null: none, it passes them to workers.';
comment on column job.tminus_version is 'The version of T-minus that the process runs.';
