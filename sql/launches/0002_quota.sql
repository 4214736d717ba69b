-- What is known of Launch Library's quota, shared by all processes.

create table launch_library_quota (
  caller text primary key,
  told_at timestamptz,
  told_limit int check (told_limit > 0),
  told_window interval check (told_window > interval '0'),
  told_others int check (told_others >= 0),
  told_next_at timestamptz,
  ask_failed_at timestamptz,
  refused_until timestamptz,
  calls timestamptz[] not null default '{}',
  constraint launch_library_quota_told
    check (num_nulls(told_at, told_limit, told_window, told_others) in (0, 4))
);

comment on table launch_library_quota is 'What is left of the calls Launch Library allows: one row for each address asked, and key.';
comment on column launch_library_quota.caller is 'Host (and port); with a key also a digest of it, never the key.';
comment on column launch_library_quota.told_at is 'When its api-throttle last told the next three, in the time of the tasks (CLOCK), as all times here.';
comment on column launch_library_quota.told_limit is 'Calls allowed within told_window.';
comment on column launch_library_quota.told_others is 'Calls counted then that were not ours.';
comment on column launch_library_quota.told_next_at is 'When the first of the calls counted no longer counts. Null unless all were used up.';
comment on column launch_library_quota.ask_failed_at is 'When api-throttle last gave no answer of use. Null: it did since.';
comment on column launch_library_quota.refused_until is 'Nobody asks before then: a call was answered 429.';
comment on column launch_library_quota.calls is 'Our own calls that still count, oldest first.';
