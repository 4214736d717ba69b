-- A run that starts after other dags (`after`) has a type of its own, with Airflow's name. Before, it was `manual`. Stored rows
-- are not checked, because all of them remain valid.
alter domain run_type drop constraint run_type_check;
alter domain run_type add constraint run_type_check
  check (value in ('manual', 'scheduled', 'backfill', 'asset_triggered')) not valid;
