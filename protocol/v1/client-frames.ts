/** What a client sends (§5). One schema per op; fields that are not named are ignored. */

import { Type } from 'typebox'
import * as f from './fields.ts'

export const Hello = Type.Object(
  {
    op: Type.Literal('hello'),
    id: f.Id,
    token: f.Token,
    channels: Type.Optional(Type.Array(f.Text, { description: 'an array of channel names' })),
    lastEventId: Type.Optional(f.EventId),
    epoch: Type.Optional(f.Epoch),
    session: Type.Optional(f.Session),
    client: Type.Optional(
      Type.Object(
        { name: f.Label64, version: f.Label64 },
        { description: 'an object with the strings name and version' },
      ),
    ),
  },
  { dependentRequired: { lastEventId: ['epoch'], epoch: ['lastEventId'] } },
)

export const Auth = Type.Object({ op: Type.Literal('auth'), id: f.Id, token: f.Token })

export const Subscribe = Type.Object({
  op: Type.Literal('subscribe'),
  id: f.Id,
  channel: f.ChannelName,
  last: Type.Optional(f.Count),
})

export const Unsubscribe = Type.Object({ op: Type.Literal('unsubscribe'), id: f.Id, channel: f.ChannelName })
export const Join = Type.Object({ op: Type.Literal('join'), id: f.Id, channel: f.ChannelName })
export const Leave = Type.Object({ op: Type.Literal('leave'), id: f.Id, channel: f.ChannelName })

export const Publish = Type.Object({
  op: Type.Literal('publish'),
  id: f.Id,
  channel: f.ChannelName,
  type: f.EventType,
  payload: f.Payload,
  messageId: Type.Optional(f.MessageId),
})

export const Signal = Type.Object({
  op: Type.Literal('signal'),
  id: f.Id,
  channel: f.ChannelName,
  type: f.EventType,
  payload: Type.Optional(f.Payload),
})

export const Receipt = Type.Object({
  op: Type.Literal('receipt'),
  id: f.Id,
  channel: f.ChannelName,
  delivered: Type.Optional(f.EventId),
  read: Type.Optional(f.EventId),
})

export const History = Type.Object({
  op: Type.Literal('history'),
  id: f.Id,
  channel: f.ChannelName,
  before: Type.Optional(f.EventId),
  after: Type.Optional(f.EventId),
  limit: Type.Optional(f.Count),
})

export const Sync = Type.Object({ op: Type.Literal('sync'), id: f.Id, lastEventId: f.EventId })
export const State = Type.Object({ op: Type.Literal('state'), id: f.Id, syncId: Type.Optional(f.Label128) })
export const Presence = Type.Object({ op: Type.Literal('presence'), id: f.Id, channel: f.ChannelName })
export const SetStatus = Type.Object({ op: Type.Literal('status'), id: f.Id, status: f.Status })
export const Ping = Type.Object({ op: Type.Literal('ping'), id: f.Id })
export const Pong = Type.Object({ op: Type.Literal('pong') })

/** By op. */
export const clientSchemas = {
  hello: Hello,
  auth: Auth,
  subscribe: Subscribe,
  unsubscribe: Unsubscribe,
  join: Join,
  leave: Leave,
  publish: Publish,
  signal: Signal,
  receipt: Receipt,
  history: History,
  sync: Sync,
  state: State,
  presence: Presence,
  status: SetStatus,
  ping: Ping,
  pong: Pong,
} as const
