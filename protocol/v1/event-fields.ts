/** An event as the log keeps it, ready to be put into a frame: its payload is JSON text. */
export interface EventFields {
  readonly id: number
  readonly channel: string
  readonly seq: number
  readonly type: string
  /** JSON text, spliced unchanged. */
  readonly payload: string
  readonly from: string
  readonly messageId: string | undefined
  readonly ts: number
}
