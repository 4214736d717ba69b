-- The pages count the runs that failed in the last day, and list them. Most runs do not fail, so the index stays small.
create index dag_run_failed on dag_run (ended_at) where state = 'failed';
