import type { Percentiles } from './latencies.ts'

/** What the bench asks of a load generator, over IPC. A group is a number of connections with a name. */
export interface GeneratorCommands {
  open(request: OpenRequest): OpenReply
  /** Every connection of a group keeps `window` publishes in flight until `stopFlow`. */
  startFlow(request: FlowRequest): void
  stopFlow(): void
  /** What the running flow has done so far. The percentiles are those since the last call. */
  flowCounts(): FlowCounts
  /** Publishes to each channel so many events, and waits for the acks. */
  send(request: SendRequest): void
  burst(request: BurstRequest): BurstReply
  pace(request: PaceRequest): PaceReply
  /** One connection of a group stops reading. */
  stall(request: { group: string; index: number }): void
  counts(request: { group: string }): GroupCounts
  close(request: { group: string }): void
}

export interface OpenRequest {
  readonly group: string
  readonly port: number
  /** One `hello` frame per connection. */
  readonly hellos: readonly string[]
  /** How many connections may be under way at a time. */
  readonly concurrency: number
}

export interface OpenReply {
  /** From the first connect to the last `live`. */
  readonly elapsedMs: number
  /** `welcome` of the first connection. */
  readonly welcome: string
}

export interface FlowRequest {
  readonly group: string
  readonly window: number
  /** Connection n publishes to `channels[n % channels.length]`. */
  readonly channels: readonly string[]
  /** JSON text. */
  readonly payload: string
  /** Makes the messageIds of this flow differ from those of any other. */
  readonly tag: string
}

export interface FlowCounts {
  readonly atMs: number
  readonly acks: number
  readonly events: number
  readonly errors: number
  readonly latency: Percentiles
}

export interface SendRequest {
  /** Its first connection publishes. */
  readonly publishers: string
  readonly channels: readonly string[]
  readonly payload: string
  readonly tag: string
  readonly events: number
}

export interface BurstRequest {
  /** Its first connection publishes. */
  readonly publishers: string
  /** All of them receive what is published. */
  readonly subscribers: string
  readonly channel: string
  readonly payload: string
  readonly tag: string
  /** Publishes written at once; the next ones follow when everybody has received all of these. */
  readonly events: number
  readonly seconds: number
}

export interface BurstReply {
  readonly bursts: number
  readonly deliveries: number
  readonly elapsedMs: number
  /** The mean size of one event's frame. */
  readonly eventBytes: number
  /** From a burst's write to its last delivery. */
  readonly latency: Percentiles
}

export interface PaceRequest {
  readonly publishers: string
  readonly subscribers: string
  readonly channel: string
  readonly payload: string
  readonly tag: string
  readonly perSecond: number
  readonly seconds: number
}

export interface PaceReply {
  readonly published: number
  readonly deliveries: number
  /** From publish to delivery, over all subscribers that read. */
  readonly latency: Percentiles
}

export interface GroupCounts {
  readonly open: number
  readonly acks: number
  readonly events: number
  readonly errors: readonly string[]
  /** Close codes of the connections that have ended. */
  readonly closes: readonly number[]
}
