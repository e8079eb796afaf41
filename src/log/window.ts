import type { LogEvent } from './event.ts'

export interface WindowOptions {
  readonly maxAgeMs: number
  readonly maxBytes: number
}

/** MessageIds that are remembered, each with its latest event, so that a repeat soon after needs no look-up in Postgres. */
const MAX_REMEMBERED_MESSAGES = 65_536
/** What an event costs beside its payload: measured with 20 characters of text and frames in both encodings. */
const EVENT_OVERHEAD_BYTES = 700

/**
 * The last minutes of the log in memory: always the contiguous run of events that ends at the tail, indexed by channel.
 * Bounded by age and by bytes (an estimate that counts the payload twice: once as text, once in an encoded frame).
 */
export class Window {
  readonly #options: WindowOptions
  readonly #events = new Deque<LogEvent>()
  readonly #byChannel = new Map<string, Deque<LogEvent>>()
  readonly #messages = new Map<string, LogEvent>()
  #end: number
  #bytes = 0

  /** `end`: the log position that the window starts at, with nothing in it. */
  constructor(options: WindowOptions, end: number) {
    this.#options = options
    this.#end = end
  }

  /** The id of the last event that has been pushed. */
  get end(): number {
    return this.#end
  }

  get size(): number {
    return this.#events.length
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Appends events that follow the end without a gap. */
  push(events: readonly LogEvent[]): void {
    for (const event of events) {
      this.#events.push(event)
      let run = this.#byChannel.get(event.channel)
      if (run === undefined) {
        run = new Deque()
        this.#byChannel.set(event.channel, run)
      }
      run.push(event)
      this.#bytes += weight(event)
      this.#end = event.id
      if (event.messageId !== undefined) this.#messages.set(event.messageId, event)
    }
    this.#forgetMessages()
    this.#trim(events.at(-1)?.ts ?? 0)
  }

  /** Whether every event after `id` that is in the log up to `end` is here. */
  covers(id: number): boolean {
    return id >= this.#end - this.#events.length
  }

  /** The first event of `channel` after `id`, which the window must cover. */
  first(channel: string, id: number): LogEvent | undefined {
    const run = this.#byChannel.get(channel)
    return run?.at(firstAfter(run, id))
  }

  /** At most `limit` events of `channels` after `id`, which the window must cover, ascending over all of them. */
  after(id: number, channels: Iterable<string>, limit: number): LogEvent[] {
    const found: LogEvent[] = []
    let runs = 0
    for (const channel of channels) {
      const run = this.#byChannel.get(channel)
      if (run === undefined) continue
      const from = firstAfter(run, id)
      const to = Math.min(run.length, from + limit)
      if (from < to) runs++
      for (let i = from; i < to; i++) found.push(run.at(i)!)
    }
    if (runs > 1) found.sort((a, b) => a.id - b.id)
    return found.length > limit ? found.slice(0, limit) : found
  }

  /** At most `limit` events of the whole log after `id`, which the window must cover. */
  slice(id: number, limit: number): LogEvent[] {
    const from = id - (this.#end - this.#events.length)
    const to = Math.min(this.#events.length, from + limit)
    const found: LogEvent[] = []
    for (let i = from; i < to; i++) found.push(this.#events.at(i)!)
    return found
  }

  /** The event of this sender and messageId, if it is recent. One that is not found here may still be in the log. */
  findMessage(from: string, messageId: string): LogEvent | undefined {
    const event = this.#messages.get(messageId)
    return event?.from === from ? event : undefined
  }

  /** Empties the window: the log is now at `end`, and what was known of it no longer holds. */
  reset(end: number): void {
    this.#events.clear()
    this.#byChannel.clear()
    this.#messages.clear()
    this.#bytes = 0
    this.#end = end
  }

  #trim(now: number): void {
    const oldest = now - this.#options.maxAgeMs
    for (;;) {
      const first = this.#events.at(0)
      if (first === undefined || (this.#bytes <= this.#options.maxBytes && first.ts >= oldest)) return
      this.#events.shift()
      this.#bytes -= weight(first)
      const run = this.#byChannel.get(first.channel)!
      run.shift()
      if (run.length === 0) this.#byChannel.delete(first.channel)
      this.#forgetMessage(first)
    }
  }

  /** What is remembered would keep the event, payload and all, beyond the window's bounds. */
  #forgetMessage(event: LogEvent): void {
    const { messageId } = event
    if (messageId !== undefined && this.#messages.get(messageId) === event) this.#messages.delete(messageId)
  }

  #forgetMessages(): void {
    if (this.#messages.size <= MAX_REMEMBERED_MESSAGES) return
    const surplus = this.#messages.size - MAX_REMEMBERED_MESSAGES
    let forgotten = 0
    // A Map iterates in the order of insertion: the oldest first.
    for (const key of this.#messages.keys()) {
      if (forgotten++ === surplus) return
      this.#messages.delete(key)
    }
  }
}

function weight(event: LogEvent): number {
  return EVENT_OVERHEAD_BYTES + 2 * event.payload.length
}

/** The place in `run` of the first event whose id is greater than `id`. */
function firstAfter(run: Deque<LogEvent>, id: number): number {
  let low = 0
  let high = run.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (run.at(middle)!.id > id) high = middle
    else low = middle + 1
  }
  return low
}

/** A queue with access by place; what is shifted off is let go of in bulk. */
class Deque<T> {
  #items: (T | undefined)[] = []
  #start = 0

  get length(): number {
    return this.#items.length - this.#start
  }

  at(place: number): T | undefined {
    return this.#items[this.#start + place]
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): void {
    this.#items[this.#start++] = undefined
    if (this.#start > 32 && this.#start * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#start)
      this.#start = 0
    }
  }

  clear(): void {
    this.#items = []
    this.#start = 0
  }
}
