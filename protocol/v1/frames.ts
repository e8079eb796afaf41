/**
 * The frames of version 1 as discriminated unions, derived from the schemas. Import the types with `import type`:
 * then nothing of the schema library comes along.
 */

import type { Static, TSchema } from 'typebox'
import type * as client from './client-frames.ts'
import type * as server from './server-frames.ts'

export type { ClientOp, ServerOp } from './ops.ts'
export { CLIENT_OPS, SERVER_OPS } from './ops.ts'

/** An encoder leaves out a field that is undefined, so whoever builds a frame need not. */
type Frame<Schema extends TSchema> = Loose<Static<Schema>>
type Loose<T> = {
  [K in keyof T]: Record<never, never> extends Pick<T, K> ? T[K] | undefined : T[K]
}

export type HelloFrame = Frame<typeof client.Hello>
export type AuthFrame = Frame<typeof client.Auth>
export type SubscribeFrame = Frame<typeof client.Subscribe>
export type UnsubscribeFrame = Frame<typeof client.Unsubscribe>
export type JoinFrame = Frame<typeof client.Join>
export type LeaveFrame = Frame<typeof client.Leave>
export type PublishFrame = Frame<typeof client.Publish>
export type SignalFrame = Frame<typeof client.Signal>
export type ReceiptFrame = Frame<typeof client.Receipt>
export type HistoryFrame = Frame<typeof client.History>
export type SyncFrame = Frame<typeof client.Sync>
export type StateFrame = Frame<typeof client.State>
export type PresenceFrame = Frame<typeof client.Presence>
export type StatusFrame = Frame<typeof client.SetStatus>
export type PingFrame = Frame<typeof client.Ping>
export type PongFrame = Frame<typeof client.Pong>

export type ClientFrame =
  | HelloFrame
  | AuthFrame
  | SubscribeFrame
  | UnsubscribeFrame
  | JoinFrame
  | LeaveFrame
  | PublishFrame
  | SignalFrame
  | ReceiptFrame
  | HistoryFrame
  | SyncFrame
  | StateFrame
  | PresenceFrame
  | StatusFrame
  | PingFrame
  | PongFrame

export type WelcomeFrame = Frame<typeof server.Welcome>
export type EventFrame = Frame<typeof server.Event>
export type StoredEvent = Frame<typeof server.StoredEvent>
export type LiveFrame = Frame<typeof server.Live>
export type RefreshFrame = Frame<typeof server.Refresh>
export type SignalOutFrame = Frame<typeof server.SignalOut>
export type ReceiptOutFrame = Frame<typeof server.ReceiptOut>
export type PresenceOutFrame = Frame<typeof server.PresenceOut>
export type SubscribedFrame = Frame<typeof server.Subscribed>
export type UnsubscribedFrame = Frame<typeof server.Unsubscribed>
export type PingOutFrame = Frame<typeof server.PingOut>
export type PongOutFrame = Frame<typeof server.PongOut>
export type ExpiringFrame = Frame<typeof server.Expiring>
export type ByeFrame = Frame<typeof server.Bye>
export type ErrorFrame = Frame<typeof server.ErrorReply>

export type OkAuth = Frame<typeof server.OkAuth>
export type OkSubscribe = Frame<typeof server.OkSubscribe>
export type OkPublish = Frame<typeof server.OkPublish>
export type OkHistory = Frame<typeof server.OkHistory>
export type OkState = Frame<typeof server.OkState>
export type OkPresence = Frame<typeof server.OkPresence>
export type OkEmpty = Frame<typeof server.OkEmpty>
/** Which of them it is follows from the request with the same `id`. */
export type OkFrame = OkAuth | OkSubscribe | OkPublish | OkHistory | OkState | OkPresence | OkEmpty

export type ServerFrame =
  | WelcomeFrame
  | EventFrame
  | LiveFrame
  | RefreshFrame
  | SignalOutFrame
  | ReceiptOutFrame
  | PresenceOutFrame
  | SubscribedFrame
  | UnsubscribedFrame
  | PingOutFrame
  | PongOutFrame
  | ExpiringFrame
  | ByeFrame
  | OkFrame
  | ErrorFrame
