-- When a launch is past, and what a search compares: each computed by one function and kept in the row.

create function launch_period_end(net timestamptz, net_precision int) returns timestamptz
language sql immutable parallel safe as $$
  select case
    when net_precision is null or net_precision in (0, 1) then net
    else greatest(net, (case
      when net_precision = 2 then net at time zone 'UTC' + interval '1 hour'
      when net_precision <= 5 then date_trunc('day', net at time zone 'UTC') + interval '1 day'
      when net_precision = 6 then date_trunc('week', net at time zone 'UTC') + interval '7 days'
      when net_precision = 7 then date_trunc('month', net at time zone 'UTC') + interval '1 month'
      when net_precision <= 11
        then date_trunc('year', net at time zone 'UTC') + (net_precision - 7) * interval '3 months'
      when net_precision <= 13
        then date_trunc('year', net at time zone 'UTC') + (net_precision - 11) * interval '6 months'
      when net_precision = 16 then date_trunc('decade', net at time zone 'UTC') + interval '10 years'
      else date_trunc('year', net at time zone 'UTC') + interval '1 year'
    end) at time zone 'UTC')
  end
$$;

comment on function launch_period_end is 'The end of the period that net stands for, in UTC; never before net. A time known to the second or minute, and one of unknown precision, is its own end.';

-- Letters that Unicode does not decompose are replaced one by one: ß, ø, ł, ı and their like.
create function launch_fold(words text) returns text
language sql immutable parallel safe as $$
  select normalize(
    replace(replace(replace(replace(
      translate(
        lower(regexp_replace(normalize(words, NFKD), '[\u0300-\u036F]', '', 'g')),
        'øłđðħıŧŋς', 'olddhitnσ'
      ),
      'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'),
    NFC)
$$;

comment on function launch_fold is 'Text as a search compares it: lower case, without accents, composed and decomposed letters alike.';

alter table rocket_launches
  add period_end timestamptz generated always as (launch_period_end(net, net_precision)) stored,
  add search_text text generated always as (
    launch_fold(coalesce(name, '') || ' ' || coalesce(mission_name, '') || ' ' || coalesce(provider, '') || ' '
      || coalesce(rocket, '') || ' ' || coalesce(pad, '') || ' ' || coalesce(location, ''))
  ) stored;

create index rocket_launches_period_end on rocket_launches (period_end);

comment on column rocket_launches.period_end is 'The launch is past once this is over, flown or not: the end of the period that net stands for. Computed by Postgres.';
comment on column rocket_launches.search_text is 'What a search looks through: name, mission, provider, rocket, pad and location by launch_fold. Computed by Postgres.';

create or replace view upcoming_launches as
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
where period_end > now()
  and launch_id is not null
  and vanished_at is null
  and (status_id in (3, 4, 6, 7, 9)) is not true
order by net, launch_id;

comment on view upcoming_launches is 'Launches to come, nearest first: not flown, their period not over by the database''s clock, not gone from Launch Library''s list.';
