-- A run may wait for a process that has loaded its dag. Each process records which dags it has loaded: their ids, and the
-- hash of each graph as in dag_version. Null: a process of an older version, which did not record them.
alter table job add column dags jsonb;
comment on column job.dags is 'The dags this process has loaded: id -> hash of the graph.';

-- `context.previous` goes by logical date: backfills and runs by hand do not come in its order.
drop index dag_run_succeeded;
create index dag_run_succeeded on dag_run (dag_id, logical_date desc) where state = 'success';
