-- True if a dag with the schedule @continuous may get its next run: it has no unfinished run, and a second has passed
-- since its newest run started. The lock on the dag makes a second scheduler, which asks at the same moment, answer
-- false: either it does not get the lock, or it sees the run that the first one has committed. A function, because its
-- statements see what was committed while the calling statement ran.
do $do$ begin
  execute format($f$
    create function may_continue(wanted text) returns boolean language plpgsql volatile as $$
    begin
      perform from %1$I.dag where dag_id = wanted for no key update skip locked;
      return found and not exists (
        select from %1$I.dag_run where dag_id = wanted and state in ('queued', 'running')
      ) and coalesce(clock_timestamp() >= interval '1 second' + (
        select started_at from %1$I.dag_run where dag_id = wanted order by dag_run_id desc limit 1), true);
    end $$ $f$, current_schema());
end $do$;
