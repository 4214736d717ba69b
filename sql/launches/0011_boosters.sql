-- Finds the launches of a booster by its serial number. Details of another form have no serial numbers: lax paths do not fail.
create index rocket_launches_boosters on rocket_launches
  using gin ((jsonb_path_query_array(details, '$.rocket.launcher_stage[*].launcher.serial_number')));
