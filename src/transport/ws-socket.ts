import type { Duplex } from 'node:stream'
import { type RawData, WebSocket } from 'ws'
import { CLOSE } from '../../protocol/v1/errors.ts'
import { fitReason, TOO_SLOW_REASON } from './closing.ts'
import type { Address } from './connection-counts.ts'
import type { Connection, Encoded, Encoding, Socket } from './transport.ts'
import { frameOf } from './websocket-frame.ts'
import { Run } from './ws-run.ts'
import type { Topic, TopicSocket, Topics } from './ws-topics.ts'

const NOTHING = Buffer.alloc(0)
const NO_TOPICS: Topic[] = []

/** What all sockets of one transport share. */
export interface WsShared {
  readonly topics: Topics
  readonly sendBufferBytes: number
  /** What a socket may gather within a tick before it is written at once, in bytes. */
  readonly gatherBytes: number
  /** Has `flush` called at the end of the tick. */
  flushLater(socket: WsSocket): void
  closed(socket: WsSocket): void
}

/** A `ws` WebSocket that knows its owner, so that the listeners of all sockets are the same functions. */
export class OwnedWebSocket extends WebSocket {
  owner: WsSocket | undefined
}

/**
 * Frames are made here and written past `ws`, which does the handshakes, reads, and answers pings. They are gathered
 * until the end of the tick, so order is kept between `send` and a topic.
 */
export class WsSocket implements Socket, TopicSocket {
  readonly encoding: Encoding
  readonly address: Address
  readonly #shared: WsShared
  readonly #ws: OwnedWebSocket
  readonly #stream: Duplex
  #connection: Connection | undefined
  #topics = NO_TOPICS
  #gathered: Run | undefined
  #open = true
  /** The operating system did not take everything, and `drained` is due. */
  #backedUp = false
  #closeCode = 0

  constructor(ws: OwnedWebSocket, stream: Duplex, encoding: Encoding, address: Address, shared: WsShared) {
    this.#ws = ws
    this.#stream = stream
    this.encoding = encoding
    this.address = address
    this.#shared = shared
    ws.owner = this
    ws.on('message', onMessage)
    ws.on('ping', onAlive)
    ws.on('pong', onAlive)
    ws.on('error', onError)
    ws.on('close', onClose)
  }

  attach(connection: Connection): void {
    this.#connection = connection
  }

  get ip(): string {
    return this.address.ip
  }

  get open(): boolean {
    return this.#open && this.#ws.readyState === WebSocket.OPEN
  }

  send(message: Encoded): void {
    if (this.open) this.append(new Run(frameOf(message)))
  }

  append(frame: Run): void {
    if (!this.#open) return
    if (this.#backedUp && this.#overLimit()) return this.#overflow()
    if (this.#gathered === undefined) {
      this.#gathered = frame
      this.#shared.flushLater(this)
    } else {
      this.#gathered = this.#gathered.and(frame)
    }
    if (this.#gathered.bytes >= this.#shared.gatherBytes) this.flush()
  }

  flush(): void {
    const gathered = this.#gathered
    if (gathered === undefined) return
    this.#gathered = undefined
    if (!this.open) return
    this.#stream.write(gathered.join())
    if (this.#stream.writableLength > 0) this.#awaitDrain()
  }

  cork(write: () => void): void {
    // Everything is gathered anyway.
    if (this.open) write()
  }

  bufferedBytes(): number {
    const bytes = this.#stream.writableLength
    // Who sees bytes here waits for `drained`.
    if (bytes > 0) this.#awaitDrain()
    return bytes
  }

  subscribe(name: string): void {
    if (!this.open) return
    const topic = this.#shared.topics.join(name, this)
    if (topic === undefined) return
    if (this.#topics === NO_TOPICS) this.#topics = [topic]
    else this.#topics.push(topic)
  }

  unsubscribe(name: string): void {
    const index = this.#topics.findIndex((topic) => topic.name === name)
    if (index < 0) return
    const [topic] = this.#topics.splice(index, 1)
    this.#shared.topics.leave(topic!, this)
  }

  publish(name: string, message: Encoded): void {
    if (this.open) this.#shared.topics.publish(name, message, this)
  }

  ping(): void {
    if (this.open) this.#ws.ping()
  }

  close(code: number, reason: string): void {
    if (!this.#open) return
    this.flush()
    this.#end(code, reason)
  }

  received(bytes: Buffer, binary: boolean): void {
    // `ws` goes on reading until the peer has answered the close frame.
    if (this.#open) this.#connection?.message(bytes, binary)
  }

  alive(): void {
    if (this.#open) this.#connection?.alive()
  }

  closed(code: number): void {
    this.#stopSending()
    this.#shared.closed(this)
    this.#connection?.closed(this.#closeCode || code)
  }

  #overLimit(): boolean {
    const { sendBufferBytes } = this.#shared
    const unsent = this.#stream.writableLength
    if (unsent + (this.#gathered?.bytes ?? 0) <= sendBufferBytes) return false
    if (unsent <= sendBufferBytes) this.flush()
    return this.#stream.writableLength > sendBufferBytes
  }

  /** The close frame goes behind what is unsent; `ws` destroys the connection if that does not leave in time. */
  #overflow(): void {
    this.#gathered = undefined
    this.#end(CLOSE.tooSlow, TOO_SLOW_REASON)
    // This may be in the middle of a publish, which nothing may interrupt.
    queueMicrotask(() => this.#connection?.overflowed())
  }

  #end(code: number, reason: string): void {
    this.#stopSending()
    if (this.#ws.readyState === WebSocket.OPEN) this.#closeCode = code
    this.#ws.close(code, fitReason(reason))
  }

  #stopSending(): void {
    this.#open = false
    this.#gathered = undefined
    for (const topic of this.#topics) this.#shared.topics.leave(topic, this)
    this.#topics = NO_TOPICS
  }

  #awaitDrain(): void {
    if (this.#backedUp) return
    this.#backedUp = true
    // The stream's own event comes only after 16 KiB.
    this.#stream.write(NOTHING, () => this.#drained())
  }

  #drained(): void {
    this.#backedUp = false
    if (!this.open) return
    if (this.#stream.writableLength > 0) return this.#awaitDrain()
    this.#connection?.drained()
  }
}

function ownerOf(ws: WebSocket): WsSocket | undefined {
  return (ws as OwnedWebSocket).owner
}

function onMessage(this: WebSocket, bytes: RawData, binary: boolean): void {
  // Of its `binaryType`, which nobody changes, `ws` gives one Buffer.
  ownerOf(this)?.received(bytes as Buffer, binary)
}

function onAlive(this: WebSocket): void {
  ownerOf(this)?.alive()
}

function onError(): void {
  // `close` follows, and carries all that is to be known: what the peer did wrong is in the code.
}

function onClose(this: WebSocket, code: number): void {
  ownerOf(this)?.closed(code)
}
