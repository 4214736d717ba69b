-- Who may use the web page. Without a single user it is open, to this machine only.

create table web_user (
  user_name text primary key check (user_name ~ '^[A-Za-z0-9_.@-]{1,100}$'),
  role text not null check (role in ('viewer', 'operator', 'admin')),
  password_hash text not null,
  created_at timestamptz not null default now(),
  password_set_at timestamptz not null default now()
);
comment on column web_user.password_hash is 'scrypt$N$r$p$salt$key, base64url.';

create table web_session (
  -- Of the token in the cookie: whoever reads this table can sign in as nobody.
  token_hash bytea primary key,
  user_name text not null references web_user on delete cascade,
  created_at timestamptz not null default now(),
  seen_at timestamptz not null default now()
);
create index web_session_user on web_session (user_name);
create index web_session_seen on web_session (seen_at);

create table login_attempt (
  -- account:NAME or address:IP
  key text primary key,
  failures int not null,
  failed_at timestamptz not null default now()
);
create index login_attempt_failed on login_attempt (failed_at);
comment on table login_attempt is 'Failed logins in a row; the next try has to wait longer with each.';
