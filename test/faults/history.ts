import { createHash } from 'node:crypto'
import type { EventFields as Event } from '../../protocol/v1/event-fields.ts'
import type { Encoding } from '../../src/transport/transport.ts'

/** What a client did or received, or what was done to the server, in the order in which it happened to us. */
export type Happening =
  | { readonly is: 'fault'; readonly what: string }
  | {
      readonly is: 'publish'
      readonly connection: string
      readonly request: number
      readonly user: string
      readonly messageId: string
      readonly channel: string
      readonly type: string
      /** JSON text. */
      readonly payload: string
      /** `repeat`: after its acknowledgement, which must come again. `misuse`: the messageId of another body. */
      readonly intent: 'publish' | 'retry' | 'repeat' | 'misuse'
    }
  | {
      readonly is: 'acknowledged'
      readonly connection: string
      readonly request: number
      readonly messageId: string
      readonly channel: string
      readonly eventId: number
      readonly seq: number
      readonly ts: number
      readonly duplicate: boolean
    }
  | {
      readonly is: 'refused'
      readonly connection: string
      readonly request: number | undefined
      readonly code: string
    }
  /** The server kept the connection and gave no reply. */
  | { readonly is: 'unanswered'; readonly connection: string; readonly request: number }
  | {
      readonly is: 'hello'
      readonly connection: string
      readonly user: string
      readonly encoding: Encoding
      readonly channels: readonly string[]
      readonly lastEventId: number | undefined
    }
  | {
      readonly is: 'welcome'
      readonly connection: string
      readonly resume: string
      readonly epoch: string
      readonly pos: number
      readonly channels: readonly { readonly channel: string; readonly seq: number }[]
      readonly refused: readonly { readonly channel: string; readonly code: string }[]
    }
  /** `frame`: a place in History.frames. */
  | { readonly is: 'event'; readonly connection: string; readonly frame: number }
  | { readonly is: 'live' | 'ping'; readonly connection: string; readonly pos: number }
  | {
      readonly is: 'refresh'
      readonly connection: string
      readonly pos: number
      readonly reason: string
    }
  | {
      readonly is: 'subscribe'
      readonly connection: string
      readonly request: number
      readonly channel: string
      readonly last: number | undefined
    }
  | {
      readonly is: 'subscribed'
      readonly connection: string
      readonly request: number
      readonly channel: string
      readonly seq: number
      readonly pos: number
      readonly events: readonly Event[] | undefined
    }
  | {
      readonly is: 'unsubscribe' | 'unsubscribed'
      readonly connection: string
      readonly request: number
      readonly channel: string
    }
  | {
      readonly is: 'sync' | 'synced'
      readonly connection: string
      readonly request: number
      readonly lastEventId: number
    }
  /** For the past of a channel. */
  | {
      readonly is: 'ask'
      readonly connection: string
      readonly request: number
      readonly channel: string
    }
  | {
      readonly is: 'told'
      readonly connection: string
      readonly request: number
      readonly channel: string
      readonly after: number | undefined
      readonly before: number | undefined
      readonly limit: number
      readonly events: readonly Event[]
      readonly more: boolean
    }
  /** A page of the whole log, over HTTP. */
  | {
      readonly is: 'fed'
      readonly user: string
      readonly after: number
      readonly next: number
      readonly events: readonly Event[]
    }
  /** Everything had been quiet for long enough: nothing is due any more on this connection. */
  | { readonly is: 'settled'; readonly connection: string }
  | { readonly is: 'closed'; readonly connection: string; readonly code: number; readonly by: 'us' | 'them' }

/** A happening in a history; `ms`: since its beginning. */
export type Entry = Happening & { readonly ms: number }

/** As a client decoded it, or as it stands in the database; the payload is JSON text. */
export type { Event }

/** The bytes of an event as somebody received them. Kept once, however often they came. */
export interface Frame {
  readonly encoding: Encoding
  readonly digest: string
  readonly event: Event
}

export interface History {
  readonly entries: readonly Entry[]
  readonly frames: readonly Frame[]
}

/** Writes the history of one run down. */
export class Recorder implements History {
  readonly entries: Entry[] = []
  readonly frames: Frame[] = []
  readonly #places = new Map<string, number>()
  readonly #began = Date.now()

  record(happening: Happening): void {
    this.entries.push({ ...happening, ms: Date.now() - this.#began })
  }

  /** The place of a frame; `decode` is called if its bytes are new. */
  frame(encoding: Encoding, bytes: Uint8Array, decode: () => Event): number {
    const digest = `${encoding} ${createHash('sha1').update(bytes).digest('base64')}`
    let place = this.#places.get(digest)
    if (place === undefined) {
      place = this.frames.push({ encoding, digest, event: decode() }) - 1
      this.#places.set(digest, place)
    }
    return place
  }
}
