/** One event of the log, as it is stored, kept in the window, and put into frames. */
export interface LogEvent {
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
