-- A task with dependsOnPast looks for the run of the previous tick, scheduled or of a backfill.
create index dag_run_ticks on dag_run (dag_id, logical_date) where run_type in ('scheduled', 'backfill');
