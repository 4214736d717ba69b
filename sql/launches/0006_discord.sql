-- Notices beside the cards: what each channel was told of a launch, when a message may be sent and until when it is news.

alter table discord_outbox
  add wanted_hash text,
  add reason_told text,
  add not_before timestamptz,
  add expires_at timestamptz;

comment on column discord_outbox.facts_hash is 'Of the facts a card shows, is being posted with, or could not be made to show; a notice has none.';
comment on column discord_outbox.wanted_hash is 'Of the facts a card is to show, by the last run that decided; a card is sent when it is another than facts_hash.';
comment on column discord_outbox.reason_told is 'Why it is told, in words.';
comment on column discord_outbox.not_before is 'Discord asked to wait until then; the database''s clock.';
comment on column discord_outbox.expires_at is 'No news any more after that, by the pipeline''s clock. Null: never.';

create table discord_told (
  target text not null,
  launch_id text not null,
  net timestamptz not null,
  net_precision int not null,
  status_id int not null,
  webcast_live boolean not null,
  slips int not null default 0,
  holds int not null default 0,
  told_at timestamptz not null,
  primary key (target, launch_id)
);

comment on table discord_told is 'What was announced last of a launch on a channel, by a post. Edits of its card are not announcements.';
comment on column discord_told.net is 'A slip is judged against it.';
comment on column discord_told.slips is 'Times announced anew; a reminder is sent once for each.';
comment on column discord_told.holds is 'Holds announced.';

create table discord_target (
  target text primary key,
  address text not null,
  disabled_at timestamptz not null,
  reason text not null
);

comment on table discord_target is 'Webhooks that are gone, or whose token is wrong: nothing is sent to them until their address changes.';
comment on column discord_target.address is 'A digest of the address, never the address.';
