-- What was sent, word for word, and how often one run asked Discord to take it.

alter table discord_outbox
  add message jsonb,
  add asked_by text,
  add asked int not null default 0;

comment on column discord_outbox.message is 'The message as it was sent last, as the channel shows it (or may show it). Null: sent by an older version, or not yet.';
comment on column discord_outbox.asked_by is 'The run that asked Discord last to take it.';
comment on column discord_outbox.asked is 'How often that run asked; a run asks at most five times.';
