-- What a user wrote about a run, for example why it failed.
alter table dag_run add column note text;
comment on column dag_run.note is 'A user''s note, at most 1,000 characters.';
