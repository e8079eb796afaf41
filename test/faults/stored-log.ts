import type { Pool } from 'pg'
import type { Event } from './history.ts'

/** The log as an auditor reads it by SQL, in id order, and looked up in the ways that the checks need. */
export class StoredLog {
  readonly events: readonly Event[]
  readonly #byMessage = new Map<string, Event>()
  /** Each channel's ids, ascending. */
  readonly #ids = new Map<string, number[]>()

  constructor(events: readonly Event[]) {
    this.events = events
    for (const event of events) {
      const ids = this.#ids.get(event.channel)
      if (ids === undefined) this.#ids.set(event.channel, [event.id])
      else ids.push(event.id)
      const key = messageKey(event.from, event.messageId)
      if (!this.#byMessage.has(key)) this.#byMessage.set(key, event)
    }
  }

  get head(): number {
    return this.events.at(-1)?.id ?? 0
  }

  byId(id: number): Event | undefined {
    return this.events[id - 1]
  }

  byMessage(user: string, messageId: string): Event | undefined {
    return this.#byMessage.get(messageKey(user, messageId))
  }

  /** The id of the channel's event with this seq. */
  idOf(channel: string, seq: number): number | undefined {
    return this.#ids.get(channel)?.[seq - 1]
  }

  /** The channel's last seq at log position `id`. */
  seqAt(channel: string, id: number): number {
    const ids = this.#ids.get(channel) ?? []
    let low = 0
    let high = ids.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (ids[middle]! > id) high = middle
      else low = middle + 1
    }
    return low
  }
}

function messageKey(user: string, messageId: string | undefined): string {
  return `${user}\n${messageId}`
}

/** Reads the log with nothing but the table; none of the server's own code has a say in it. */
export async function readStoredLog(db: Pick<Pool, 'query'>): Promise<StoredLog> {
  const { rows } = await db.query(
    `select id::text as id, seq::text as seq, channel, type, payload::text as payload, sender, message_id,
            (extract(epoch from created_at) * 1000)::text as ts
     from bitacora.events order by events.id`,
  )
  return new StoredLog(
    rows.map((row) => ({
      id: Number(row.id),
      seq: Number(row.seq),
      channel: row.channel,
      type: row.type,
      payload: row.payload,
      from: row.sender,
      messageId: row.message_id ?? undefined,
      ts: Number(row.ts),
    })),
  )
}
