-- How far the loads of previous launches are.

create table rocket_launch_history (
  source text not null,
  span text not null,
  net_to timestamptz not null,
  cursor_net timestamptz,
  cursor_offset int not null default 0,
  cursor_ids text[] not null default '{}',
  total int,
  pages int not null default 0,
  launches int not null default 0,
  inserted int not null default 0,
  updated int not null default 0,
  unchanged int not null default 0,
  rejected int not null default 0,
  started_at timestamptz not null,
  updated_at timestamptz not null,
  finished_at timestamptz,
  primary key (source, span)
);

comment on table rocket_launch_history is 'How far launch-history is: one row for each span of time that is or was loaded, moved in the transaction that stores a page.';
comment on column rocket_launch_history.source is 'LAUNCH_LIBRARY_URL.';
comment on column rocket_launch_history.span is 'What was asked for, from/to in ISO 8601; .. stands for the beginning, and for now.';
comment on column rocket_launch_history.net_to is 'Up to which net it loads; fixed when the load began, so that the end does not run away.';
comment on column rocket_launch_history.cursor_net is 'The net from which the next page is asked, inclusive: several launches may share it. Null: from the beginning.';
comment on column rocket_launch_history.cursor_offset is 'How many launches from cursor_net on are left out; not 0 only where one net fills whole pages.';
comment on column rocket_launch_history.cursor_ids is 'Launches at cursor_net that are stored already.';
comment on column rocket_launch_history.total is 'How many launches the list held when the load began.';
comment on column rocket_launch_history.launches is 'Received so far, each once; the next four add up to it.';
comment on column rocket_launch_history.started_at is 'When this load began, by the clock of the process.';
comment on column rocket_launch_history.updated_at is 'When the last page was stored.';
comment on column rocket_launch_history.finished_at is 'When it came to its end; the next run begins anew.';
