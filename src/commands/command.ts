import type { Codec, EventFields } from '../../protocol/v1/codec.ts'
import type { CloseCode, ProtocolError } from '../../protocol/v1/errors.ts'
import type { ServerFrame } from '../../protocol/v1/frames.ts'
import type { Claims, Verify } from '../access/verify-token.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Hub, Subscriber } from '../fanout/hub.ts'
import type { ResumeLimits } from '../fanout/resume.ts'
import type { Log } from '../log/log.ts'
import type { Metrics } from '../ops/metrics.ts'

/** The session that a command comes from, as far as commands use it. */
export interface Caller {
  readonly claims: Claims
  readonly codec: Codec
  readonly socket: Subscriber
  /** What it is subscribed to. */
  readonly channels: ReadonlySet<string>
  /** The reply to a request; none is sent where the request has no `id` (§2.6). */
  ok(id: number | undefined, fields?: Readonly<Record<string, unknown>>): void
  okWithEvents(
    id: number | undefined,
    fields: Readonly<Record<string, unknown>>,
    events: readonly EventFields[],
  ): void
  error(id: number | undefined, error: ProtocolError): void
  send(frame: ServerFrame): void
  /** Throws RATE_LIMITED when `key`, an event type or an op, has been used as often as it may. */
  limit(key: string): void
  /** Throws RATE_LIMITED if `key` is used up, without using it. */
  checkLimit(key: string): void
  /** Uses `key` without a limit; `checkLimit` will tell. */
  countUse(key: string): void
  /** Runs changes of the set of channels one after the other, and never during a replay (§8.3). */
  inOrder(change: () => void | Promise<void>): Promise<void>
  /** Starts the live stream of a channel; what has been replied before is sent before. */
  subscribe(channel: string): void
  unsubscribe(channel: string): void
  /** Replays everything after `lastEventId`, then goes on live; or a refresh. `started` is called before the first event. */
  rewind(lastEventId: number, started: () => void): Promise<void>
  /** The token has been renewed. */
  renew(claims: Claims): void
  /** Says `bye` and closes. */
  end(code: CloseCode, reason?: string): void
}

export interface CommandLimits extends ResumeLimits {
  readonly maxChannelsPerSession: number
  readonly maxUsersPerChannel: number
  /** What a replay hands to a socket in one go, in bytes. */
  readonly replayPageBytes: number
  /** What the events inside one reply may have together, in bytes of payload. */
  readonly maxReplyBytes: number
}

/** What commands work with. */
export interface Services {
  readonly log: Log
  readonly hub: Hub
  readonly catalogue: Catalogue
  readonly verify: Verify
  readonly limits: CommandLimits
  readonly metrics: Metrics
}

/** Throws, or rejects with, a `ProtocolError` that becomes the reply. */
export type Command<Frame> = (caller: Caller, frame: Frame, services: Services) => void | Promise<void>
