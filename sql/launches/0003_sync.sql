-- What the list of upcoming launches no longer names, and how far the reading of it is.

alter table rocket_launches
  add vanished_at timestamptz,
  add checked_at timestamptz;

comment on column rocket_launches.vanished_at is 'Since when a launch still to come is missing from the list of upcoming ones. Null: it is there, or has been since; about half of them come back.';
comment on column rocket_launches.checked_at is 'When it was last asked for by itself, because the list no longer told of it.';

alter table rocket_launch_sync
  add last_full_at timestamptz,
  add launches int;

comment on column rocket_launch_sync.last_success_at is 'When the last reading that came to its end began, of the whole list or of what changed in it.';
comment on column rocket_launch_sync.last_full_at is 'When the last reading of the whole list that came to its end began.';
comment on column rocket_launch_sync.launches is 'How many the whole list held then.';
