import type { Encoded } from './transport.ts'

/** What uWebSockets.js's `publish` holds back for one socket until it must write, in messages and bytes of one. */
const HELD_BACK_MESSAGES = 32
/** A message of this size or more is not held back, but written to each subscriber behind what is held back for it. */
const LARGE_BYTES = 16 * 1024
/** What uWebSockets.js gathers of a corked socket, in bytes. */
const CORK_BYTES = 16 * 1024
const MOST_HELD_BACK_BYTES = HELD_BACK_MESSAGES * LARGE_BYTES
const MOST_HEADER_BYTES = 10
const MOST_UTF8_BYTES = 3

/** A socket, as far as this file deals with it. */
export interface EndableSocket {
  /** Writes what is held back if that could exceed the limit; returns what is in the buffer, in bytes. */
  flushNearLimit(): number
  /** Ends it; `atOnce`: by force. */
  tooSlow(atOnce: boolean): void
}

interface Publisher {
  publish(topic: string, message: Encoded, binary: boolean): boolean
}

/**
 * Publishing such that a socket over its limit gets a prefix of its stream, and never a stream with a hole.
 *
 * uWebSockets.js drops a message for a socket whose buffer is over the limit, and goes on with the next one when there
 * is room again. So a socket of which `dropped` was told is ended before anything else can be handed to it:
 *
 * - `dropped` is called inside the engine's walk over the subscribers, where to end a socket or to change a topic
 *   brings the process down. It only takes a note, and the socket is ended after the walk: when `publish` returns, or
 *   in the next immediate, but in any case before the next `publish`.
 * - `publish` holds small messages back until the loop turns, and `send` and a large `publish` write them first and
 *   then their own message, even if one of those that were held back was dropped. Where that could happen, a ping goes
 *   ahead: it has them written, and if one is dropped, the message is not sent at all. Who reads is rarely
 *   pinged: clients take many pings at once for an attack.
 */
export class SlowSockets {
  readonly #limit: number
  readonly #sockets: Iterable<EndableSocket>
  #slow: EndableSocket[] = []
  /** Not more than this is held back for any one socket, in bytes. */
  #heldBack = 0
  #heldBackBefore = 0
  #turning = false
  #publishedBytes = 0
  /** No socket has more than this in its buffer, in bytes. */
  #largestBuffer = 0

  constructor(sendBufferBytes: number, sockets: Iterable<EndableSocket>) {
    this.#limit = sendBufferBytes
    this.#sockets = sockets
  }

  /** What has been published so far, in bytes; what is held back for a socket is of those since its last write. */
  get publishedBytes(): number {
    return this.#publishedBytes
  }

  publish(publisher: Publisher, topic: string, message: Encoded): void {
    if (this.#slow.length > 0) this.#end('when drained')
    const bytes = mostBytes(message)
    if (bytes >= LARGE_BYTES && isLarge(message) && this.mayOverflow(this.#largestBuffer)) {
      this.#flushNearLimit()
    }
    publisher.publish(topic, message, typeof message !== 'string')
    this.#publishedBytes += bytes
    this.#heldBack += bytes
    this.#largestBuffer += bytes
    // For these, this message may wait behind the one that was dropped.
    if (this.#slow.length > 0) this.#end('at once')
  }

  /**
   * Whether writing what is held back for a socket with this buffer could exceed the limit. `writtenUpTo`: the
   * `publishedBytes` when something was last written to it.
   */
  mayOverflow(bufferedBytes: number, writtenUpTo = 0): boolean {
    const heldBack = Math.min(this.#heldBackBytes, this.#publishedBytes - writtenUpTo)
    if (heldBack === 0 || bufferedBytes + heldBack + CORK_BYTES <= this.#limit) return false
    this.#countAnew()
    return true
  }

  /** A socket was handed a message by itself, on top of what it had in its buffer. */
  sent(bufferedBytes: number, message: Encoded): void {
    this.#largestBuffer = Math.max(this.#largestBuffer, bufferedBytes + mostBytes(message))
  }

  /** Takes a note that a message for the socket was dropped; safe inside the engine's walk. */
  add(socket: EndableSocket): void {
    // No promise and no tick: those would run inside the walk.
    if (this.#slow.push(socket) === 1) setImmediate(() => this.end())
  }

  end(): void {
    this.#end('when drained')
  }

  get #heldBackBytes(): number {
    return Math.min(this.#heldBack + this.#heldBackBefore, MOST_HELD_BACK_BYTES)
  }

  #end(how: 'when drained' | 'at once'): void {
    const slow = this.#slow
    this.#slow = []
    for (const socket of slow) socket.tooSlow(how === 'at once')
  }

  #flushNearLimit(): void {
    let largest = 0
    for (const socket of this.#sockets) largest = Math.max(largest, socket.flushNearLimit())
    // What is held back for the others gets there later.
    this.#largestBuffer = largest + this.#heldBackBytes
    if (this.#slow.length > 0) this.#end('when drained')
  }

  /** Nothing is held back for longer than one turn of the loop. */
  #countAnew(): void {
    if (this.#turning) return
    this.#turning = true
    setImmediate(() => {
      this.#heldBackBefore = this.#heldBack
      this.#heldBack = 0
      setImmediate(() => {
        this.#heldBackBefore = 0
        this.#turning = false
      })
    })
  }
}

function isLarge(message: Encoded): boolean {
  return (typeof message === 'string' ? Buffer.byteLength(message) : message.length) >= LARGE_BYTES
}

function mostBytes(message: Encoded): number {
  return MOST_HEADER_BYTES + message.length * (typeof message === 'string' ? MOST_UTF8_BYTES : 1)
}
