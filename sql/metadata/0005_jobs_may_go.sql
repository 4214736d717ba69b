-- A process that ended long ago may be deleted while a run it owned is kept: the latest of a dag always is. And each
-- deletion would read all of dag_run for such runs, as each new run would lock the row of its job to no end: jobs are
-- only ever deleted once they own nothing any more. As in task_instance, job_id is a number without a foreign key.
alter table dag_run drop constraint dag_run_job_id_fkey;
alter table pool_slot drop constraint pool_slot_job_id_fkey;
