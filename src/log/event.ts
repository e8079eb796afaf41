/** One event of the log, as it is stored, kept in the window, and put into frames. */
export class LogEvent {
  /** 1, 2, 3 … over the whole log, without a gap, in commit order. */
  readonly id: number
  readonly channel: string
  /** 1, 2, 3 … within the channel, without a gap. */
  readonly seq: number
  readonly type: string
  /** The payload's one serialisation, JSON text: made at the door, spliced unchanged ever after. */
  readonly payload: string
  /** The publisher's user id. */
  readonly from: string
  /** Unique for the publisher; events that the server derives may have none. */
  readonly messageId: string | undefined
  /** Milliseconds since the Unix epoch on the database's clock; never decreases as `id` grows. */
  readonly ts: number
  // The event's frames, filled in when somebody listens (fanout/frames.ts): an event is encoded once per encoding.
  jsonFrame: string | Uint8Array | undefined = undefined
  msgpackFrame: string | Uint8Array | undefined = undefined

  constructor(
    id: number,
    channel: string,
    seq: number,
    type: string,
    payload: string,
    from: string,
    messageId: string | undefined,
    ts: number,
  ) {
    this.id = id
    this.channel = channel
    this.seq = seq
    this.type = type
    this.payload = payload
    this.from = from
    this.messageId = messageId
    this.ts = ts
  }
}

/** An event that is not in the log yet. */
export interface Draft {
  readonly channel: string
  readonly type: string
  /** JSON text. */
  readonly payload: string
  readonly from: string
  readonly messageId: string | undefined
}
