import type { Pool, PoolClient } from 'pg'
import type { Draft } from './event.ts'
import { LogEvent } from './event.ts'

type Queryable = Pick<Pool | PoolClient, 'query'>

// payload as text: the stored serialisation itself, never parsed and written again.
const COLUMNS = `id, channel, seq, type, payload::text as payload, sender, message_id,
                 (extract(epoch from created_at) * 1000)::bigint as ts`

interface Row {
  id: number
  channel: string
  seq: number
  type: string
  payload: string
  sender: string
  message_id: string | null
  ts: number
}

function toEvent(row: Row): LogEvent {
  const { id, channel, seq, type, payload, sender, message_id, ts } = row
  return new LogEvent(
    Number(id),
    channel,
    Number(seq),
    type,
    payload,
    sender,
    message_id ?? undefined,
    Number(ts),
  )
}

/** Where the log stands in Postgres. */
export async function readHead(db: Queryable): Promise<{ epoch: string; id: number }> {
  const { rows } = await db.query({ name: 'bitacora.head', text: 'select epoch, id from bitacora.head' })
  return { epoch: rows[0].epoch, id: Number(rows[0].id) }
}

/** At most `limit` events of the whole log after `id`, ascending. */
export async function readLog(db: Queryable, after: number, limit: number): Promise<LogEvent[]> {
  const text = `select ${COLUMNS} from bitacora.events where id > $1 order by id limit $2`
  const { rows } = await db.query<Row>({ name: 'bitacora.log', text, values: [after, limit] })
  return rows.map(toEvent)
}

/** At most `limit` events of `channels` with `after` < id <= `upTo`, ascending over all of them. */
export async function readChannels(
  db: Queryable,
  channels: readonly string[],
  after: number,
  upTo: number,
  limit: number,
): Promise<LogEvent[]> {
  const text = `select e.* from unnest($1::text[]) as c (name), lateral (
                  select ${COLUMNS} from bitacora.events
                  where channel = c.name and id > $2 and id <= $3 order by id limit $4
                ) e order by e.id limit $4`
  const { rows } = await db.query<Row>({
    name: 'bitacora.channels',
    text,
    values: [channels, after, upTo, limit],
  })
  return rows.map(toEvent)
}

/** At most `limit` of a channel's events with `after` < id < `before`, ascending: the last ones, or the first ones. */
export async function readHistory(
  db: Queryable,
  channel: string,
  after: number,
  before: number,
  limit: number,
  from: 'first' | 'last',
): Promise<LogEvent[]> {
  const text = `select ${COLUMNS} from bitacora.events where channel = $1 and id > $2 and id < $3
                order by id ${from === 'first' ? 'asc' : 'desc'} limit $4`
  const values = [channel, after, before, limit]
  const { rows } = await db.query<Row>({ name: `bitacora.history.${from}`, text, values })
  const events = rows.map(toEvent)
  return from === 'first' ? events : events.reverse()
}

/** The last seq of each channel at log position `at`; 0 for a channel without events. */
export async function readSeqs(
  db: Queryable,
  channels: readonly string[],
  at: number,
): Promise<Map<string, number>> {
  const text = `select c.name, coalesce(e.seq, 0) as seq from unnest($1::text[]) as c (name) left join lateral (
                  select seq from bitacora.events where channel = c.name and id <= $2 order by id desc limit 1
                ) e on true`
  const { rows } = await db.query({ name: 'bitacora.seqs', text, values: [channels, at] })
  return new Map(rows.map((row) => [row.name, Number(row.seq)]))
}

/**
 * The events that are in the log under the sender and messageId of these drafts, by the drafts' places. `same`: channel,
 * type and payload are equal too, the payload compared as a JSON value.
 */
export async function findMessages(
  db: Queryable,
  drafts: readonly Draft[],
): Promise<Map<number, { event: LogEvent; same: boolean }>> {
  const text = `select d.nth - 1 as place, e.*,
                  e.channel = d.channel and e.type = d.type and e.payload::jsonb = d.payload::jsonb as same
                from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
                  with ordinality as d (sender, message_id, channel, type, payload, nth)
                join lateral (
                  select ${COLUMNS} from bitacora.events
                  where sender = d.sender and message_id = d.message_id
                ) e on true`
  const column = (name: keyof Draft) => drafts.map((draft) => draft[name] ?? null)
  const values = [column('from'), column('messageId'), column('channel'), column('type'), column('payload')]
  const { rows } = await db.query<Row & { place: number; same: boolean }>({
    name: 'bitacora.find',
    text,
    values,
  })
  return new Map(rows.map((row) => [Number(row.place), { event: toEvent(row), same: row.same }]))
}
