import { Packr } from 'msgpackr'
import WebSocket from 'ws'
import type { Encoding } from '../../src/transport/transport.ts'

// Decoders of others' making: what the server writes must not be judged by its own code.
const packr = new Packr({ useRecords: false, int64AsType: 'number' })

const WIRE = {
  json: {
    subprotocol: 'bitacora.v1.json',
    encode: (frame: object): string | Buffer => JSON.stringify(frame),
    decode: (bytes: Buffer) => JSON.parse(bytes.toString()),
  },
  msgpack: {
    subprotocol: 'bitacora.v1.msgpack',
    encode: (frame: object): string | Buffer => packr.pack(frame),
    decode: (bytes: Buffer) => packr.unpack(bytes),
  },
} as const

/** A frame as it was decoded; whether it is right is for the checks to say. */
export type ReceivedFrame = { readonly op: string; readonly id?: number } & Readonly<Record<string, any>>

interface Listener {
  opened(): void
  received(frame: ReceivedFrame, bytes: Buffer): void
  /** Called once, at the end of a connection that has been opened or not. */
  ended(code: number, by: 'us' | 'them'): void
}

/** One WebSocket. */
export class Connection {
  /** Of the client and the number of its connection: `r3#2`. */
  readonly name: string
  readonly encoding: Encoding
  readonly #socket: WebSocket
  readonly #listener: Listener
  #ended = false

  constructor(url: string, name: string, encoding: Encoding, listener: Listener) {
    this.name = name
    this.encoding = encoding
    this.#listener = listener
    const { subprotocol, decode } = WIRE[encoding]
    const socket = new WebSocket(url, subprotocol, {
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_MS,
    })
    socket.on('open', () => {
      if (!this.#ended) listener.opened()
    })
    socket.on('message', (bytes: Buffer) => {
      // What is still in our buffers when we hang up has not reached the application.
      if (!this.#ended) listener.received(decode(bytes), bytes)
    })
    socket.on('close', (code) => this.#end(code, 'them'))
    socket.on('error', () => {}) // 'close' follows
    this.#socket = socket
  }

  get open(): boolean {
    return !this.#ended && this.#socket.readyState === WebSocket.OPEN
  }

  send(frame: object): void {
    this.#socket.send(WIRE[this.encoding].encode(frame))
  }

  /** Stops reading from the TCP socket. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Says goodbye. */
  close(): void {
    this.#socket.close()
    this.#end(1000, 'us')
    setTimeout(() => this.#socket.terminate(), HANDSHAKE_MS).unref()
  }

  /** Hangs up without a word. */
  terminate(): void {
    this.#socket.terminate()
    this.#end(1006, 'us')
  }

  #end(code: number, by: 'us' | 'them'): void {
    if (this.#ended) return
    this.#ended = true
    this.#listener.ended(code, by)
  }
}

const HANDSHAKE_MS = 5_000
