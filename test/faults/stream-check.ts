import type { Entry, Event } from './history.ts'
import type { StoredLog } from './stored-log.ts'

type EntryOf<Is extends Entry['is']> = Extract<Entry, { is: Is }>

/** How many events that were due are named in one violation. */
const NAMED = 5

/**
 * Follows one connection and knows at every moment which events are due on it: those of its channels, in id order, from
 * where the stream started. Each method returns what is wrong, in words.
 */
export class StreamCheck {
  readonly #log: StoredLog
  /** For each channel of the session the seq that is due next. */
  readonly #next = new Map<string, number>()
  /** Channels that the client has asked to leave: they end at some moment before the reply. */
  readonly #leaving = new Set<string>()
  /** The last id of the stream. */
  #last = 0
  #welcomed = false
  #freshAt: number | undefined
  /** Whether the stream that began last still owes its `live` or `refresh`. */
  #owesLive = false

  constructor(log: StoredLog) {
    this.#log = log
  }

  welcome(entry: EntryOf<'welcome'>, cursor: number | undefined): string | undefined {
    if (this.#welcomed) return 'a second welcome'
    this.#welcomed = true
    const { resume, pos, channels } = entry
    if (entry.refused.length > 0) return `refused ${JSON.stringify(entry.refused)}`
    if (resume !== (cursor === undefined ? 'fresh' : 'resumed'))
      return `cursor ${cursor} was met with ${resume}`
    const start = cursor ?? pos
    if (cursor === undefined) this.#freshAt = pos
    this.#begin(start)
    for (const { channel, seq } of channels) {
      const right = this.#log.seqAt(channel, start)
      if (seq !== right)
        return `the stream of ${channel} starts at seq ${seq}, not ${right}, which it has at ${start}`
      this.#next.set(channel, seq + 1)
    }
    return undefined
  }

  event({ id, channel, seq }: Event): string | undefined {
    if (!this.#welcomed) return 'an event before welcome'
    if (this.#freshAt !== undefined && this.#owesLive)
      return 'an event before the first live of a fresh session'
    const due = this.#next.get(channel)
    if (due === undefined) return `event ${id} of ${channel}, which the session does not have`
    if (id <= this.#last) return `event ${id} after ${this.#last}`
    if (seq < due) return `event ${id} is ${channel} ${seq} again; ${due} is due`
    if (seq > due)
      return `event ${id} is ${channel} ${seq}; ${due} is due: ${this.#named(channel, due, id - 1)}`
    const hole = this.#missing(id - 1)
    this.#next.set(channel, seq + 1)
    this.#last = id
    return hole && `event ${id} came, and what precedes it did not: ${hole}`
  }

  /** `live.pos` and `ping.pos`: everything due up to there has been sent before. */
  position(entry: EntryOf<'live' | 'ping'>): string | undefined {
    const { is, pos } = entry
    if (!this.#welcomed) return `${is} before welcome`
    if (is === 'live') {
      if (!this.#owesLive) return 'a live that no welcome or sync owes'
      this.#owesLive = false
      if (this.#freshAt !== undefined && pos !== this.#freshAt)
        return `live ${pos} after welcome ${this.#freshAt}`
      this.#freshAt = undefined
    }
    const missing = this.#missing(pos)
    return missing && `${is} ${pos} came, and what precedes it did not: ${missing}`
  }

  refresh({ reason }: EntryOf<'refresh'>): string {
    return `a refresh (${reason}), though all can be replayed`
  }

  subscribed({ channel, seq, pos, events }: EntryOf<'subscribed'>): string | undefined {
    const right = this.#log.seqAt(channel, pos)
    if (seq !== right) return `subscribed to ${channel} at seq ${seq}, which is ${right} at ${pos}`
    if (events !== undefined) {
      const first = seq - events.length + 1
      const wrong = events.find((event, i) => event.channel !== channel || event.seq !== first + i)
      if (wrong)
        return `the last ${events.length} events before seq ${seq} of ${channel} have ${wrong.channel} ${wrong.seq}`
    }
    if (!this.#next.has(channel)) this.#next.set(channel, seq + 1)
    return undefined
  }

  unsubscribe(channel: string): void {
    this.#leaving.add(channel)
  }

  unsubscribed(channel: string): void {
    this.#next.delete(channel)
    this.#leaving.delete(channel)
  }

  synced(lastEventId: number): string | undefined {
    if (this.#owesLive) return 'a sync began before the live of the stream before'
    this.#begin(lastEventId)
    for (const channel of this.#next.keys())
      this.#next.set(channel, this.#log.seqAt(channel, lastEventId) + 1)
    return undefined
  }

  settled(): string | undefined {
    if (!this.#welcomed || this.#owesLive)
      return `all was quiet, and no ${this.#welcomed ? 'live' : 'welcome'} had come`
    const missing = this.#missing(this.#log.head)
    return missing && `all was quiet, and what was due had not come: ${missing}`
  }

  #begin(at: number): void {
    this.#last = at
    this.#owesLive = true
  }

  /** The events due up to `id`, said in words. */
  #missing(id: number): string | undefined {
    for (const [channel, seq] of this.#next) {
      const due = this.#log.idOf(channel, seq)
      if (due === undefined || due > id) continue
      // The channel may have been left in between. From now on nothing may come of it.
      if (this.#leaving.has(channel)) this.#next.delete(channel)
      else return this.#named(channel, seq, id)
    }
    return undefined
  }

  #named(channel: string, seq: number, id: number): string {
    const last = this.#log.seqAt(channel, id)
    const names: string[] = []
    for (let i = seq; i <= Math.min(last, seq + NAMED - 1); i++)
      names.push(`${this.#log.idOf(channel, i)} (${channel} ${i})`)
    const more = last - seq + 1 - names.length
    return names.join(', ') + (more > 0 ? ` and ${more} more` : '')
  }
}
