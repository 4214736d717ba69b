-- A user recognises a session by where it began, and ends it by a number that signs nobody in. Null: from before this.
alter table web_session
  add column session_id bigint generated always as identity unique,
  add column network text,
  add column browser text;
comment on column web_session.network is 'Where it began: the network of the address, not the address.';
comment on column web_session.browser is 'What it began with: name and system in words, not what the browser sent.';

-- Calendar programs cannot sign in: the address a user gives them carries a token that opens calendars alone.
create table calendar_token (
  user_name text primary key references web_user on delete cascade,
  token_hash bytea not null unique,
  created_at timestamptz not null default now(),
  used_at timestamptz
);

comment on column login_attempt.key is 'account:NAME, address:IP, or calendar:IP; of IPv6 the network.';
