/** What a server sends (§6). A client must ignore fields and ops that it does not know (§2.4). */

import { Type } from 'typebox'
import * as f from './fields.ts'

export const Welcome = Type.Object({
  op: Type.Literal('welcome'),
  id: f.Id,
  protocol: Type.Literal(1),
  session: f.Session,
  user: f.User,
  epoch: f.Epoch,
  pos: f.EventId,
  resume: Type.Union([Type.Literal('fresh'), Type.Literal('resumed'), Type.Literal('refresh')]),
  channels: Type.Array(
    Type.Object({
      channel: f.ChannelName,
      seq: f.Seq,
      delivered: Type.Optional(f.EventId),
      read: Type.Optional(f.EventId),
    }),
  ),
  refused: Type.Array(Type.Object({ channel: f.Text, code: f.Code })),
  expiresAt: f.Time,
  heartbeat: Type.Object({ interval: f.Millis, timeout: f.Millis }),
  limits: Type.Object({
    frameBytes: f.Count,
    depth: f.Count,
    elements: f.Count,
    channels: f.Count,
    replayEvents: f.Count,
  }),
  modules: Type.Array(f.Text),
  features: Type.Array(f.Text),
  server: Type.Object({ version: f.Text, node: f.Text }),
})

const eventFields = {
  id: f.EventId,
  channel: f.ChannelName,
  seq: f.Seq,
  type: f.EventType,
  payload: f.Payload,
  from: f.User,
  messageId: Type.Optional(f.MessageId),
  ts: f.Time,
}

/** An event inside a reply: the fields of an `event` frame without its `op`. */
export const StoredEvent = Type.Object(eventFields)
export const Event = Type.Object({ op: Type.Literal('event'), ...eventFields })

export const Live = Type.Object({ op: Type.Literal('live'), pos: f.EventId })

export const Refresh = Type.Object({
  op: Type.Literal('refresh'),
  reason: Type.Union([
    Type.Literal('gap_too_large'),
    Type.Literal('too_old'),
    Type.Literal('epoch_changed'),
    Type.Literal('ahead_of_log'),
  ]),
  epoch: f.Epoch,
  pos: f.EventId,
})

export const SignalOut = Type.Object({
  op: Type.Literal('signal'),
  channel: f.ChannelName,
  type: f.EventType,
  payload: Type.Optional(f.Payload),
  from: f.User,
  ts: f.Time,
})

export const ReceiptOut = Type.Object({
  op: Type.Literal('receipt'),
  channel: f.ChannelName,
  user: f.User,
  delivered: Type.Optional(f.EventId),
  read: Type.Optional(f.EventId),
  ts: f.Time,
})

const PresentStatus = Type.Union([
  Type.Literal('online'),
  Type.Literal('away'),
  Type.Literal('busy'),
  Type.Literal('offline'),
])

export const PresenceOut = Type.Object({
  op: Type.Literal('presence'),
  channel: f.ChannelName,
  user: f.User,
  status: PresentStatus,
  ts: f.Time,
})

export const Subscribed = Type.Object({
  op: Type.Literal('subscribed'),
  channel: f.ChannelName,
  seq: f.Seq,
  reason: f.Text,
})

export const Unsubscribed = Type.Object({
  op: Type.Literal('unsubscribed'),
  channel: f.ChannelName,
  seq: f.Seq,
  reason: f.Text,
})

export const PingOut = Type.Object({ op: Type.Literal('ping'), pos: f.EventId, ts: f.Time })
export const PongOut = Type.Object({ op: Type.Literal('pong'), id: f.Id })
export const Expiring = Type.Object({ op: Type.Literal('expiring'), expiresAt: f.Time })

export const Bye = Type.Object({
  op: Type.Literal('bye'),
  code: Type.Integer({ minimum: 4000, maximum: 4999 }),
  reason: f.Text,
  reconnect: f.Flag,
  after: Type.Optional(f.Millis),
})

export const ErrorReply = Type.Object({
  op: Type.Literal('error'),
  id: f.Id,
  code: f.Code,
  message: f.Text,
  retry: f.Flag,
  details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
})

const ok = { op: Type.Literal('ok'), id: f.RequestId }

export const OkAuth = Type.Object({ ...ok, expiresAt: f.Time })

export const OkSubscribe = Type.Object({
  ...ok,
  channel: f.ChannelName,
  seq: f.Seq,
  pos: f.EventId,
  events: Type.Optional(Type.Array(StoredEvent)),
  complete: Type.Optional(f.Flag),
})

export const OkPublish = Type.Object({
  ...ok,
  channel: f.ChannelName,
  eventId: f.EventId,
  seq: f.Seq,
  ts: f.Time,
  messageId: f.MessageId,
  duplicate: Type.Optional(Type.Literal(true)),
  events: Type.Optional(
    Type.Array(Type.Object({ channel: f.ChannelName, eventId: f.EventId, seq: f.Seq, type: f.EventType })),
  ),
})

export const OkHistory = Type.Object({ ...ok, events: Type.Array(StoredEvent), more: f.Flag })

export const OkState = Type.Object({
  ...ok,
  pos: f.EventId,
  syncId: Type.Optional(f.Label128),
  serverTime: f.Time,
  conversations: Type.Array(Type.Unknown()),
  unread: Type.Record(Type.String(), f.Count),
  onlineUsers: Type.Array(Type.Unknown()),
  rooms: Type.Array(Type.Unknown()),
})

export const OkPresence = Type.Object({
  ...ok,
  members: Type.Array(Type.Object({ user: f.User, status: PresentStatus, since: f.Time })),
})

/** The reply of the ops that have nothing to tell: unsubscribe, join, leave, signal, receipt, sync, status. */
export const OkEmpty = Type.Object(ok)

export const okSchemas = { OkAuth, OkSubscribe, OkPublish, OkHistory, OkState, OkPresence, OkEmpty } as const

/** By op; `ok` has one schema for each kind of request. */
export const serverSchemas = {
  welcome: Welcome,
  event: Event,
  live: Live,
  refresh: Refresh,
  signal: SignalOut,
  receipt: ReceiptOut,
  presence: PresenceOut,
  subscribed: Subscribed,
  unsubscribed: Unsubscribed,
  ping: PingOut,
  pong: PongOut,
  expiring: Expiring,
  bye: Bye,
  error: ErrorReply,
} as const
