/** The shapes of `protocol/vectors/*.json` (§16). */

import { readFileSync } from 'node:fs'
import type { ClientFrame, EventFields, ServerFrame } from '../../protocol/index.ts'

export interface VectorFile<Vector> {
  readonly about: string
  readonly vectors: readonly Vector[]
}

interface Named {
  readonly name: string
  readonly clause: string
}

export interface FrameVector extends Named {
  readonly from: 'client' | 'server'
  readonly frame: ClientFrame & ServerFrame
  json?: string
  /** Hexadecimal, here and below. */
  msgpack?: string
}

export interface EventVector extends Named {
  readonly event: Omit<EventFields, 'messageId'> & { readonly messageId?: string }
  json?: string
  msgpack?: string
}

export interface ValueVector extends Named {
  /** The value as JSON text. */
  readonly json: string
  /** As the server writes it. */
  msgpack?: string
  /** Other encodings of the same value, which a receiver takes as well. */
  readonly also?: readonly string[]
}

export interface BadVector extends Named {
  readonly subprotocol: string
  /** One of these three is the message. */
  readonly text?: string
  readonly hex?: string
  /** Text in pieces, each with how often it is repeated. */
  readonly pieces?: readonly (readonly [text: string, times: number])[]
  /** The message is of the other kind than its sub-protocol takes. */
  readonly wrongKind?: true
  readonly error: {
    readonly code: string
    readonly id?: number
    readonly fatal: boolean
    readonly path?: string
  }
}

export interface PayloadVector extends Named {
  /** What the publisher wrote. */
  readonly sent: string
  /** What is stored and delivered. */
  readonly stored: string
}

export interface CursorVector extends Named {
  /** The cursor at the start; null: none. */
  readonly lastEventId: number | null
  readonly steps: readonly { readonly frame: ServerFrame; readonly lastEventId: number | null }[]
}

export interface ChannelVectors {
  readonly about: string
  readonly valid: readonly {
    readonly text: string
    readonly namespace: string
    /** Decoded. */
    readonly parts: readonly string[]
    readonly module?: string
  }[]
  readonly invalid: readonly { readonly text: string; readonly why: string }[]
  readonly ids: readonly { readonly raw: string; readonly encoded: string }[]
  readonly dms: readonly { readonly users: readonly [string, string]; readonly channel: string }[]
}

export function vectorFile(name: string): URL {
  return new URL(`../../protocol/vectors/${name}.json`, import.meta.url)
}

export function readVectors<Vector>(name: string): VectorFile<Vector> {
  return JSON.parse(readFileSync(vectorFile(name), 'utf8'))
}

export function readChannelVectors(): ChannelVectors {
  return JSON.parse(readFileSync(vectorFile('channels'), 'utf8'))
}

/** JSON has no undefined. */
export function fieldsOf(event: EventVector['event']): EventFields {
  return { ...event, messageId: event.messageId }
}
