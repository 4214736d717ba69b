-- The page of all runs filters by type and time. Runs are stored in the order of time, so a BRIN index, which is a few
-- pages, skips most of the table if a filter matches few runs.
create index dag_run_ranges on dag_run using brin (run_type, queued_at, ended_at)
  with (pages_per_range = 32, autosummarize = on);
