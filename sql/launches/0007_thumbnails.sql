-- What the lists show of a picture, out of the row: `details` is large, and to look into it is to fetch and unpack all of it.

alter table rocket_launches
  add thumbnail_url text generated always as (details #>> '{image,thumbnail_url}') stored;

comment on column rocket_launches.thumbnail_url is 'A smaller picture of the launch, where Launch Library gives one (2.3.0); out of details, by Postgres.';
