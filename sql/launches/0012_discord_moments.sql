-- One message can hold several notices, and a notice can be edited as a card is.

alter table discord_outbox
  add merged_into bigint references discord_outbox (outbox_id) on delete set null,
  add posted_at timestamptz;

create index discord_outbox_merged_into on discord_outbox (merged_into) where merged_into is not null;

comment on column discord_outbox.merged_into is 'The row whose message holds this notice. Its own row is then never sent; its state is sent. Null: it has its own message.';
comment on column discord_outbox.posted_at is 'When the message was posted, or may have been, by the pipeline''s clock. Null: posted by an older version, or not yet.';
comment on column discord_outbox.facts is 'What the message should show.';
comment on column discord_outbox.facts_hash is 'The hash of the facts that the message shows, is being posted with, or could not be made to show. Empty: a notice of an older version.';
comment on column discord_outbox.wanted_hash is 'The hash of the facts that the message should show. A message on the channel is edited if it differs from facts_hash. Null: never edited.';
