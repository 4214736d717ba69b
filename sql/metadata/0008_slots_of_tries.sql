-- A task that was cleared, marked or cancelled may go on for some seconds after it was told to stop, while its next try
-- is ready. Each holds slots of its own, so the next try waits until the earlier one has really ended.
alter table pool_slot add column try_number int not null default 0;
update pool_slot s set try_number = t.try_number + case when t.state = 'running' then 0 else 1 end
  from task_instance t where t.dag_run_id = s.dag_run_id and t.task_id = s.task_id;
alter table pool_slot
  alter column try_number drop default,
  drop constraint pool_slot_pkey,
  add primary key (dag_run_id, task_id, try_number, pool);
comment on table pool_slot is 'Slots taken: by a try that runs, is about to, or still ends after it was told to stop.';
