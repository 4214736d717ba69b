-- Views for people: what comes next, and what slipped.

create view upcoming_launches as
select
  id,
  launch_id,
  name,
  net,
  case net_precision
    when 0 then 'second'
    when 1 then 'minute'
    when 2 then 'hour'
    when 3 then 'morning'
    when 4 then 'afternoon'
    when 5 then 'day'
    when 6 then 'week'
    when 7 then 'month'
    when 8 then 'first quarter'
    when 9 then 'second quarter'
    when 10 then 'third quarter'
    when 11 then 'fourth quarter'
    when 12 then 'first half'
    when 13 then 'second half'
    when 14 then 'year'
    when 15 then 'fiscal year'
    when 16 then 'decade'
  end as net_precision,
  status_name as status,
  provider,
  rocket,
  mission_name as mission,
  pad,
  location,
  orbit,
  image_url,
  webcast_url,
  updated_at
from rocket_launches
where net >= now()
  and launch_id is not null
  and vanished_at is null
  and (status_id in (3, 4, 6, 7, 9)) is not true
order by net, launch_id;

comment on view upcoming_launches is 'Launches to come, nearest first: not flown, not past by the database''s clock, not gone from Launch Library''s list.';
comment on column upcoming_launches.net is 'No earlier than. A time only where net_precision is second, minute or hour, else a placeholder, usually the last day of its period.';
comment on column upcoming_launches.net_precision is 'How far net is known, in words; null: not told.';
comment on column upcoming_launches.updated_at is 'When this pipeline last changed the row.';

create view launch_slips as
with moves as (
  select id, launch_id, seen_at, old, new
  from (
    select
      id,
      launch_id,
      seen_at,
      -- The years before 1 and after 9999, which a list may hold by mistake, are written in a way Postgres cannot read.
      case when old ~ '^(?!0000)\d{4}-' then old::timestamptz end as old,
      case when new ~ '^(?!0000)\d{4}-' then new::timestamptz end as new
    from rocket_launch_changes
    where field = 'net'
  ) as told
  where old is not null and new is not null
)
select
  launch_id,
  launches.name,
  moved.first_net,
  moved.last_net,
  moved.slips,
  moved.last_net - moved.first_net as total_slip,
  moved.last_slip_at
from (
  select
    launch_id,
    (array_agg(old order by seen_at, id))[1] as first_net,
    (array_agg(new order by seen_at desc, id desc))[1] as last_net,
    count(*) filter (where new > old) as slips,
    max(seen_at) filter (where new > old) as last_slip_at
  from moves
  group by launch_id
) as moved
left join rocket_launches launches using (launch_id);

comment on view launch_slips is 'How launches moved in time, one row for each that did, as far as this pipeline saw it.';
comment on column launch_slips.name is 'Null where the launch is not stored any more.';
comment on column launch_slips.first_net is 'Where it stood before the first move seen.';
comment on column launch_slips.last_net is 'Where the last move seen left it.';
comment on column launch_slips.slips is 'Moves to a later time; those to an earlier one are not counted. A placeholder that becomes a time is a move too.';
comment on column launch_slips.total_slip is 'last_net - first_net: negative where it moved to an earlier time on the whole.';
comment on column launch_slips.last_slip_at is 'When the last move to a later time was seen. Null: there was none.';
