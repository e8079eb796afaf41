-- The table of the controls: the columns and the indexes of bitacora.events, with an ordinary serial key.
create schema if not exists bench;
create table bench.messages (
  id         bigserial   primary key,
  created_at timestamptz not null default now(),
  channel    text        not null,
  type       text        not null,
  sender     text        not null,
  message_id text,
  payload    json        not null
);
create index on bench.messages (channel, id);
create unique index on bench.messages (sender, message_id);
