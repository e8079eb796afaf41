import { once } from 'node:events'
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import WebSocket from 'ws'
import { codecs } from '../protocol/v1/codec.ts'
import type { ClientFrame, HelloFrame, ServerFrame } from '../protocol/v1/frames.ts'
import { okSchemas, serverSchemas } from '../protocol/v1/server-frames.ts'
import type { Encoding } from '../src/transport/transport.ts'

export type FrameOf<Op extends ServerFrame['op']> = Extract<ServerFrame, { op: Op }>
/** A reply with its fields open to inspection. */
export type Reply = { readonly op: 'ok' | 'error'; readonly id?: number } & Readonly<Record<string, any>>

const WAIT_MS = 10_000
/** What a server sends is not held to the limits of what a client sends. */
const NO_LIMITS = { maxDepth: 1_000, maxElements: 1_000_000_000 }

/** Drives one connection in a test, and keeps every frame that came, each checked against the published schema. */
export class TestClient {
  readonly socket: WebSocket
  readonly encoding: Encoding
  /** Everything that came, in order. */
  readonly frames: ServerFrame[] = []
  /** The messages that the frames came in. */
  readonly messages: Buffer[] = []
  /** The events that came, in order. */
  readonly events: FrameOf<'event'>[] = []
  /** What `request` has sent, by id. */
  readonly requests = new Map<number, Readonly<Record<string, unknown>>>()
  /** The close code, when the connection is closed. */
  readonly closed: Promise<number>
  #closeCode: number | undefined
  #fault = 'no fault seen'
  #taken = 0
  #wake: (() => void)[] = []
  #nextId = 1

  private constructor(socket: WebSocket, encoding: Encoding) {
    this.socket = socket
    this.encoding = encoding
    socket.on('message', (bytes: Buffer, binary: boolean) => this.#received(bytes, binary))
    socket.on('error', (error) => (this.#fault = error.message))
    this.closed = new Promise((resolve) => {
      socket.on('close', (code: number) => {
        this.#closeCode = code
        resolve(code)
        this.#wakeAll()
      })
    })
  }

  static async open(
    url: string,
    encoding: Encoding = 'json',
    options: WebSocket.ClientOptions = {},
  ): Promise<TestClient> {
    const socket = new WebSocket(url, codecs[encoding].subprotocol, options)
    const client = new TestClient(socket, encoding)
    await once(socket, 'open')
    return client
  }

  /** Sends any value at all as a frame. */
  send(frame: ClientFrame | Readonly<Record<string, unknown>>): void {
    this.socket.send(codecs[this.encoding].encode(frame as ClientFrame))
  }

  /** `hello`, then the `welcome`. */
  async hello(token: string, fields: Partial<HelloFrame> = {}): Promise<FrameOf<'welcome'>> {
    this.send({ op: 'hello', token, ...fields })
    return this.take('welcome')
  }

  /** The welcome of this connection. */
  get welcome(): FrameOf<'welcome'> {
    return this.frames.find((frame) => frame.op === 'welcome')!
  }

  /** Sends a request under an id of its own and waits for its reply, whatever else comes. */
  async request(frame: { readonly op: string } & Readonly<Record<string, unknown>>): Promise<Reply> {
    const id = this.#nextId++
    const from = this.frames.length
    this.requests.set(id, frame)
    this.send({ ...frame, id })
    return (await this.find(
      (reply) => 'id' in reply && reply.id === id && (reply.op === 'ok' || reply.op === 'error'),
      `the reply to ${frame.op}`,
      from,
    )) as Reply
  }

  publish(channel: string, payload: unknown, fields: Readonly<Record<string, unknown>> = {}): Promise<Reply> {
    return this.request({ op: 'publish', channel, type: 'note', payload, ...fields })
  }

  /** Waits for what is on its way to this client: after it, everything is here that was sent before. */
  async settle(): Promise<void> {
    const id = this.#nextId++
    const from = this.frames.length
    this.send({ op: 'ping', id })
    await this.find((frame) => frame.op === 'pong' && frame.id === id, 'pong', from)
  }

  /** The next frame of this op that has not been taken; those before it are skipped. */
  async take<Op extends ServerFrame['op']>(op: Op): Promise<FrameOf<Op>> {
    const frame = await this.find((frame) => frame.op === op, op, this.#taken)
    this.#taken = this.frames.indexOf(frame, this.#taken) + 1
    return frame as FrameOf<Op>
  }

  /** The first frame that fits, from the place `from` on, waiting for it. */
  async find(
    fits: (frame: ServerFrame) => boolean,
    what = 'a fitting frame',
    from = 0,
  ): Promise<ServerFrame> {
    let at = from
    await this.until(() => {
      while (at < this.frames.length && !fits(this.frames[at]!)) at++
      return at < this.frames.length
    }, what)
    return this.frames[at]!
  }

  /** The ops of all frames from the place `from` on. */
  ops(from = 0): string[] {
    return this.frames.slice(from).map((frame) => frame.op)
  }

  /** The event with this payload, waiting for it. */
  async event(payload: unknown): Promise<FrameOf<'event'>> {
    const fits = (frame: ServerFrame) => frame.op === 'event' && frame.payload === payload
    return (await this.find(fits, `the event ${payload}`)) as FrameOf<'event'>
  }

  /** Waits until so many events have come. */
  async eventCount(count: number): Promise<void> {
    await this.until(() => this.events.length >= count, `event ${count}`)
  }

  /** Waits until it holds, looking after every frame. */
  async until(holds: () => boolean, what: string): Promise<void> {
    while (!holds()) {
      if (this.socket.readyState === WebSocket.CLOSED)
        throw new Error(`closed (${this.#closeCode}, ${this.#fault}) before ${what} came: ${this.#last()}`)
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`${what} did not come: ${this.#last()}`)), WAIT_MS)
      })
      await Promise.race([new Promise<void>((resolve) => this.#wake.push(resolve)), late]).finally(() =>
        clearTimeout(timer),
      )
    }
  }

  /** Stops reading; what the server sends waits in the buffers between here and there, and then in its own. */
  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  async close(): Promise<void> {
    this.socket.close()
    await this.closed
  }

  #received(bytes: Buffer, binary: boolean): void {
    const frame = codecs[this.encoding].decode(bytes, binary, NO_LIMITS) as ServerFrame
    if (!isOfSchema(frame)) throw new Error(`not a frame of the protocol: ${JSON.stringify(frame)}`)
    this.frames.push(frame)
    this.messages.push(bytes)
    if (frame.op === 'event') this.events.push(frame)
    this.#wakeAll()
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }

  #last(): string {
    const last = this.frames.slice(-5).map((frame) => JSON.stringify(frame).slice(0, 300))
    return `last came ${last.join(' ')}`
  }
}

const compile = (schema: TSchema) => {
  const validator = Compile(schema)
  return (value: unknown): value is Static<typeof schema> => validator.Check(value)
}
const checks = new Map(Object.entries(serverSchemas).map(([op, schema]) => [op, [compile(schema)]]))
checks.set('ok', Object.values(okSchemas).map(compile))

function isOfSchema(frame: ServerFrame): boolean {
  return checks.get(frame.op)?.some((check) => check(frame)) === true
}
