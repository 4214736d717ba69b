-- What the scheduler must know besides the runs there are. Instants are those of its clock, not of the database's: CLOCK
-- moves due times.
create table dag_schedule (
  dag_id text primary key,
  schedule text not null,
  timezone text not null,
  since timestamptz not null
);
comment on table dag_schedule is 'The schedule a dag has now. Ticks until since are not the scheduler''s: it had another one then, or was paused.';

create table backfill (
  backfill_id bigint generated always as identity primary key,
  dag_id text not null,
  from_date timestamptz not null,
  to_date timestamptz not null,
  reprocess text not null check (reprocess in ('none', 'failed', 'completed')),
  begun_at timestamptz not null default now(),
  ended_at timestamptz,
  check (from_date <= to_date)
);
create unique index backfill_open on backfill (dag_id, from_date, to_date, reprocess) where ended_at is null;
comment on table backfill is 'An open one is gone on with by the same command; what ended since it began is not done again.';
