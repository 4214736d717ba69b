-- Forum and media channels: each launch has its own thread there.

alter table discord_outbox
  add thread_id text;

comment on column discord_outbox.thread_id is 'In a forum: the thread of the message. The thread of a card is the thread of its launch.';

create table discord_forum (
  target text primary key,
  found_at timestamptz not null default now()
);

comment on table discord_forum is 'Channels of which Discord has said that they are forums.';
