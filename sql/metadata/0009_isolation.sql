-- Each process records which code it has loaded: a hash of the sources under PIPELINES_DIR. Two processes may load the
-- same graphs from different code.
alter table job
  add column code_version text,
  add column blocked_since timestamptz,
  add column blocked_by text;
comment on column job.code_version is 'Hash of the sources under PIPELINES_DIR; null: unknown.';
comment on column job.blocked_since is 'Since when the main thread of this process has not returned to its event loop; null: it is not blocked.';
comment on column job.blocked_by is 'The task that blocks it: dag/task; null: unknown.';

-- A process that dies takes all its running tries with it, but usually one of them killed it. A try that was lost in a
-- death is suspect: the next try runs isolated, in a child process. It is charged (`lost`) only if it was alone in the
-- process, or if its previous try was lost too.
alter table task_instance
  add column lost_try int not null default 0,
  add column isolated boolean not null default false;
comment on column task_instance.lost_try is 'The last try that was lost when its process died; 0: none.';
comment on column task_instance.isolated is 'True if the current try runs in a child process, where it cannot end its process.';

alter type task_instance_change add attribute isolated boolean;
