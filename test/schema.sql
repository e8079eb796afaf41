-- Written from a migrated database; see test/schema.test.ts.

create table bitacora.conversations (
  channel text not null,
  version bigint not null,
  state json not null,
  updated_at timestamp with time zone not null,
  constraint conversations_pkey PRIMARY KEY (channel),
  constraint conversations_version_check CHECK ((version > 0))
);

create table bitacora.events (
  id bigint not null,
  seq bigint not null,
  created_at timestamp with time zone not null,
  channel text not null,
  type text not null,
  sender text not null,
  message_id text,
  payload json not null,
  constraint events_id_check CHECK ((id > 0)),
  constraint events_pkey PRIMARY KEY (id),
  constraint events_seq_check CHECK ((seq > 0))
);
comment on table bitacora.events is 'Append-only. One row per event, in commit order.';
comment on column bitacora.events.id is '1, 2, 3 … over the whole log: no gap, commit order.';
comment on column bitacora.events.seq is '1, 2, 3 … within the channel: no gap.';
comment on column bitacora.events.created_at is 'This database''s clock in milliseconds, read under the log''s lock; never decreases as id grows.';
comment on column bitacora.events.sender is 'The user id of the publisher.';
comment on column bitacora.events.message_id is 'The publisher''s idempotency key, unique per sender; null where the server derived the event.';
comment on column bitacora.events.payload is 'json, not jsonb: the very text that every client received.';
CREATE INDEX events_channel ON bitacora.events USING btree (channel, id);
CREATE UNIQUE INDEX events_message ON bitacora.events USING btree (sender, message_id);
CREATE TRIGGER events_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON bitacora.events FOR EACH STATEMENT EXECUTE FUNCTION bitacora.refuse_change();
-- events_append_only: enabled always

create table bitacora.log (
  only_row boolean default true not null,
  epoch uuid default gen_random_uuid() not null,
  started_at timestamp with time zone default now() not null,
  constraint log_only_row_check CHECK (only_row),
  constraint log_pkey PRIMARY KEY (only_row)
);
comment on table bitacora.log is 'One row: the identity of this log. epoch changes only when the log may have gone back.';

create table bitacora.migrations (
  number integer not null,
  name text not null,
  checksum text not null,
  applied_at timestamp with time zone default now() not null,
  constraint migrations_pkey PRIMARY KEY (number)
);

create view bitacora.head as
 SELECT l.epoch,
    COALESCE(e.id, (0)::bigint) AS id,
    e.created_at
   FROM (bitacora.log l
     LEFT JOIN LATERAL ( SELECT events.id,
            events.created_at
           FROM bitacora.events
          ORDER BY events.id DESC
         LIMIT 1) e ON (true));

CREATE OR REPLACE FUNCTION bitacora.append(_known_head bigint, _channels text[], _known_seqs bigint[], _types text[], _senders text[], _channel_of integer[], _nth integer[], _type_of integer[], _sender_of integer[], _message_id text[], _payload text[], _state_channel text[], _state_version bigint[], _state text[], OUT epoch uuid, OUT first_id bigint, OUT ts bigint, OUT seqs bigint[], OUT lost integer[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  head      bigint;
  last_time timestamptz;
  now_time  timestamptz;
begin
  -- Every statement below takes its snapshot after the lock is held, so it sees all that is committed. Under any other
  -- isolation it would not.
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'bitacora.append needs the isolation level read committed' using errcode = 'invalid_transaction_state';
  end if;
  select l.epoch into strict epoch from bitacora.log l for update;
  select e.id, e.created_at into head, last_time from bitacora.events e order by e.id desc limit 1;
  head := coalesce(head, 0);
  now_time := greatest(date_trunc('milliseconds', clock_timestamp()), last_time);

  if _state_channel <> '{}' then
    select array_agg(w.nth) into lost
      from unnest(_state_channel, _state_version) with ordinality as w (channel, version, nth)
      left join bitacora.conversations c using (channel)
      where coalesce(c.version, 0) <> w.version;
    if lost is not null then
      return;
    end if;
    insert into bitacora.conversations as c (channel, version, state, updated_at)
      select w.channel, w.version + 1, w.state::json, now_time
      from unnest(_state_channel, _state_version, _state) as w (channel, version, state)
      on conflict (channel) do update
        set version = excluded.version, state = excluded.state, updated_at = excluded.updated_at;
  end if;

  select array_agg(coalesce(c.seq, last.seq, 0) order by c.nth) into seqs
    from unnest(_channels, case when _known_head = head then _known_seqs end) with ordinality as c (channel, seq, nth)
    left join lateral (
      select e.seq from bitacora.events e where e.channel = c.channel and c.seq is null order by e.id desc limit 1
    ) last on true;

  -- Unnested in the select list: in the from clause each array would be written to a tuplestore first.
  insert into bitacora.events (id, seq, created_at, channel, type, sender, message_id, payload)
    select e.id, seqs[e.channel_of] + e.nth, now_time, _channels[e.channel_of], _types[e.type_of], _senders[e.sender_of],
      e.message_id, e.payload::json
    from (
      select generate_series(head + 1, head + cardinality(_channel_of)) as id, unnest(_channel_of) as channel_of,
        unnest(_nth) as nth, unnest(_type_of) as type_of, unnest(_sender_of) as sender_of,
        unnest(_message_id) as message_id, unnest(_payload) as payload
    ) e;

  first_id := head + 1;
  ts := extract(epoch from now_time) * 1000;
end $function$;

CREATE OR REPLACE FUNCTION bitacora.append_one(_known_head bigint, _known_seq bigint, _channel text, _type text, _payload text, _sender text, _message_id text, OUT epoch uuid, OUT first_id bigint, OUT ts bigint, OUT seq bigint)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  head      bigint;
  last_time timestamptz;
  now_time  timestamptz;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'bitacora.append_one needs the isolation level read committed' using errcode = 'invalid_transaction_state';
  end if;
  select l.epoch into strict epoch from bitacora.log l for update;
  select e.id, e.created_at into head, last_time from bitacora.events e order by e.id desc limit 1;
  head := coalesce(head, 0);
  now_time := greatest(date_trunc('milliseconds', clock_timestamp()), last_time);
  if _known_head = head then
    seq := _known_seq;
  end if;
  if seq is null then
    select e.seq into seq from bitacora.events e where e.channel = _channel order by e.id desc limit 1;
    seq := coalesce(seq, 0);
  end if;
  insert into bitacora.events (id, seq, created_at, channel, type, sender, message_id, payload)
    values (head + 1, seq + 1, now_time, _channel, _type, _sender, _message_id, _payload::json);
  first_id := head + 1;
  ts := extract(epoch from now_time) * 1000;
end $function$;

CREATE OR REPLACE FUNCTION bitacora.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception '% on %.% is refused: the log is append-only', tg_op, tg_table_schema, tg_table_name
    using errcode = 'insufficient_privilege', hint = 'Publish another event that corrects this one.';
end $function$;
