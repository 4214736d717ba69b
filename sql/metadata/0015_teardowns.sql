-- A stopped run fails. If it has teardowns to run first, it is still running, and its owner must know.
alter table dag_run add column stop_reason text;
comment on column dag_run.stop_reason is 'Why the run was cancelled or ran out of time. It fails when its teardowns have ended. Null: it was not stopped, or its process ended.';
