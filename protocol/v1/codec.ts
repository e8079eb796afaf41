/** The two encodings of a frame behind one interface; the sub-protocol of the connection chooses (§2.2). */

import { ProtocolError } from './errors.ts'
import type { EventFields } from './event-fields.ts'
import type { ClientFrame, ServerFrame } from './frames.ts'
import { decodeJson, encodeEventJson, encodeJson, encodeWithEventsJson } from './json.ts'
import { type DepthLimits, LIMITS } from './limits.ts'
import { decodeMsgpack } from './msgpack-decode.ts'
import { encodeEventMsgpack, encodeMsgpack, encodeWithEventsMsgpack } from './msgpack-encode.ts'

export type { EventFields } from './event-fields.ts'

export interface Codec {
  readonly encoding: 'json' | 'msgpack'
  readonly subprotocol: string
  /**
   * The value of one message. Throws `ProtocolError` BAD_FRAME, which is fatal to the connection, or `TooDeep`, which
   * is not and carries the frame's `id`; `limits` are for what a client sends unless told otherwise. Keeps no reference to `bytes`.
   */
  decode(bytes: Uint8Array, binary: boolean, limits?: DepthLimits): unknown
  /** A text message is a string, a binary one bytes. Members that are undefined are left out. */
  encode(frame: ServerFrame | ClientFrame): string | Uint8Array
  /** The `event` frame; the same bytes for the same event, always. */
  encodeEvent(event: EventFields): string | Uint8Array
  /** A reply that ends in `events`: the `ok` of `history` and `subscribe`. `frame` is without that field. */
  encodeWithEvents(frame: WithoutEvents, events: readonly EventFields[]): string | Uint8Array
}

/** An `ok` that still lacks its `events`. */
export type WithoutEvents = { readonly op: 'ok'; readonly id: number } & Readonly<Record<string, unknown>>

const json: Codec = {
  encoding: 'json',
  subprotocol: 'bitacora.v1.json',
  decode(bytes, binary, limits = LIMITS) {
    if (binary) throw new ProtocolError('BAD_FRAME', 'This sub-protocol takes text messages only.')
    return decodeJson(bytes, limits)
  },
  encode: encodeJson,
  encodeEvent: encodeEventJson,
  encodeWithEvents: encodeWithEventsJson,
}

const msgpack: Codec = {
  encoding: 'msgpack',
  subprotocol: 'bitacora.v1.msgpack',
  decode(bytes, binary, limits = LIMITS) {
    if (!binary) throw new ProtocolError('BAD_FRAME', 'This sub-protocol takes binary messages only.')
    return decodeMsgpack(bytes, limits)
  },
  encode: encodeMsgpack,
  encodeEvent: encodeEventMsgpack,
  encodeWithEvents: encodeWithEventsMsgpack,
}

export const codecs = { json, msgpack } as const

/** In the order in which a server prefers them. */
export const SUBPROTOCOLS = [json.subprotocol, msgpack.subprotocol] as const

/** Undefined where the sub-protocol is unknown. None at all is version 1 in JSON (§2.2). */
export function codecOf(subprotocol: string | undefined): Codec | undefined {
  if (subprotocol === undefined || subprotocol === '' || subprotocol === json.subprotocol) return json
  return subprotocol === msgpack.subprotocol ? msgpack : undefined
}
