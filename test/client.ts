import { once } from 'node:events'
import WebSocket from 'ws'
import { codecs } from '../protocol/v1/codec.ts'
import type { ClientFrame, ServerFrame } from '../protocol/v1/frames.ts'
import type { Encoding } from '../src/transport/transport.ts'

type OpOf<Op extends ServerFrame['op']> = Extract<ServerFrame, { op: Op }>
/** A reply with its fields open to inspection. */
export type Reply = { readonly op: 'ok' | 'error'; readonly id?: number } & Readonly<Record<string, any>>

const WAIT_MS = 5_000

/** Drives one connection in a test, and keeps every frame that came. */
export class TestClient {
  readonly socket: WebSocket
  readonly encoding: Encoding
  /** Everything that came, in order. */
  readonly frames: ServerFrame[] = []
  /** The close code, when the connection is closed. */
  readonly closed: Promise<number>
  #taken = 0
  #wake: (() => void)[] = []
  #nextId = 1

  private constructor(socket: WebSocket, encoding: Encoding) {
    this.socket = socket
    this.encoding = encoding
    socket.on('message', (data: Buffer, binary: boolean) => {
      this.frames.push(codecs[encoding].decode(data, binary) as ServerFrame)
      for (const wake of this.#wake.splice(0)) wake()
    })
    socket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      socket.on('close', (code: number) => {
        resolve(code)
        for (const wake of this.#wake.splice(0)) wake()
      })
    })
  }

  static async open(url: string, encoding: Encoding = 'json'): Promise<TestClient> {
    const socket = new WebSocket(url, codecs[encoding].subprotocol)
    const client = new TestClient(socket, encoding)
    await once(socket, 'open')
    return client
  }

  send(frame: ClientFrame): void {
    this.socket.send(codecs[this.encoding].encode(frame))
  }

  /** Sends any value at all as a frame. */
  sendRaw(value: unknown): void {
    this.socket.send(codecs[this.encoding].encode(value as ClientFrame))
  }

  /** `hello`, then the `welcome`. */
  async hello(
    token: string,
    fields: Partial<Extract<ClientFrame, { op: 'hello' }>> = {},
  ): Promise<OpOf<'welcome'>> {
    this.send({ op: 'hello', token, ...fields })
    return this.take('welcome')
  }

  /** Sends a request under an id of its own and waits for its reply, whatever else comes. */
  async request(frame: Record<string, unknown> & { op: string }): Promise<Reply> {
    const id = this.#nextId++
    this.sendRaw({ ...frame, id })
    const isReply = (frame: ServerFrame) => (frame.op === 'ok' || frame.op === 'error') && frame.id === id
    return (await this.find(isReply)) as Reply
  }

  /** The next frame of this op that has not been taken; those before it are skipped. */
  async take<Op extends ServerFrame['op']>(op: Op): Promise<OpOf<Op>> {
    for (;;) {
      while (this.#taken < this.frames.length) {
        const frame = this.frames[this.#taken++]!
        if (frame.op === op) return frame as OpOf<Op>
      }
      await this.#more(op)
    }
  }

  /** The first frame of all that fits, waiting for it. */
  async find(fits: (frame: ServerFrame) => boolean): Promise<ServerFrame> {
    for (let i = 0; ; ) {
      for (; i < this.frames.length; i++) if (fits(this.frames[i]!)) return this.frames[i]!
      await this.#more('a fitting frame')
    }
  }

  /** The events that came, in order. */
  get events(): OpOf<'event'>[] {
    return this.frames.filter((frame) => frame.op === 'event')
  }

  /** Waits until so many events have come. */
  async eventCount(count: number): Promise<void> {
    while (this.events.length < count) await this.#more(`event ${this.events.length + 1} of ${count}`)
  }

  async close(): Promise<void> {
    this.socket.close()
    await this.closed
  }

  async #more(what: string): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED)
      throw new Error(`closed before ${what} came: ${this.#last()}`)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${what} did not come: ${this.#last()}`)), WAIT_MS)
    })
    await Promise.race([new Promise<void>((resolve) => this.#wake.push(resolve)), late])
    clearTimeout(timer)
  }

  #last(): string {
    return JSON.stringify(this.frames.slice(-5))
  }
}
