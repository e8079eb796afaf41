import { connect, type Socket } from 'node:net'
import { maskedFrame, PONG_REPLY, pongFrame } from './client-frames.ts'
import { FrameWalker } from './frame-walker.ts'

const CLOSE = 0x8
const PING = 0x9
const READ_BYTES = 256 * 1024
/** What is read is looked at before the next read, so all sockets share one buffer. */
const READ_BUFFER = Buffer.allocUnsafe(READ_BYTES)

export interface ClientOptions {
  readonly port: number
  /** The source address, one of 127.0.0.0/8. */
  readonly localAddress: string | undefined
  /** The text of the `hello` frame. */
  readonly hello: string
}

/** A WebSocket client on a plain socket: handshake, `hello`, then counting. */
export class Client {
  /** The text of the `welcome` frame. */
  welcome = ''
  /** When the last `live` or `refresh` came. */
  liveAtMs = Number.NaN
  /** The close code, once the connection has ended; 1006 if it ended without a close frame. */
  closeCode: number | undefined
  /** Reads nothing any more. */
  stalled = false
  /** Texts of error frames. */
  readonly errors: string[] = []
  /** Called after each read with what it brought. */
  received: ((client: Client, acks: number, events: number) => void) | undefined
  readonly walker: FrameWalker
  readonly #socket: Socket
  readonly #hello: Buffer
  #head: Buffer | undefined = Buffer.alloc(0)
  #settle: { resolve(): void; reject(reason: Error): void } | undefined

  /** Resolves when the connection is live. */
  static open(options: ClientOptions): Promise<Client> {
    return new Promise((resolve, reject) => {
      const client = new Client(options)
      client.#settle = { resolve: () => resolve(client), reject }
    })
  }

  private constructor({ port, localAddress, hello }: ClientOptions) {
    this.walker = new FrameWalker((opcode, payload) => this.#other(opcode, payload))
    this.#socket = connect({
      host: '127.0.0.1',
      port,
      ...(localAddress === undefined ? {} : { localAddress }),
      noDelay: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (length) => {
          this.#read(READ_BUFFER.subarray(0, length))
          return !this.stalled
        },
      },
    })
    this.#socket.on('error', (error) => this.#ended(error))
    this.#socket.on('close', () => this.#ended(new Error('the server closed the connection')))
    this.#socket.write(
      `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Protocol: bitacora.v1.json\r\n\r\n',
    )
    this.#hello = maskedFrame(hello)
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  /** Reads nothing more, as a client does whose process or network has stopped. */
  stall(): void {
    this.stalled = true
    this.#socket.pause()
  }

  end(): void {
    this.received = undefined
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    if (this.#head !== undefined) return this.#handshake(chunk)
    const { acks, events } = this.walker
    this.walker.walk(chunk)
    this.received?.(this, this.walker.acks - acks, this.walker.events - events)
  }

  #handshake(chunk: Buffer): void {
    const head = Buffer.concat([this.#head!, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) {
      this.#head = head
      return
    }
    this.#head = undefined
    if (!head.subarray(0, 12).equals(Buffer.from('HTTP/1.1 101'))) {
      this.#ended(new Error(`the server refused the WebSocket: ${head.toString('utf8', 0, 300)}`))
      this.#socket.destroy()
      return
    }
    this.write(this.#hello)
    if (head.length > end + 4) this.#read(head.subarray(end + 4))
  }

  #other(opcode: number, payload: Buffer): void {
    if (opcode === PING) return this.write(pongFrame(payload))
    if (opcode === CLOSE) {
      this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005
      return
    }
    const text = payload.toString('utf8')
    switch (/^\{"op":"([a-z]+)"/.exec(text)?.[1]) {
      case 'welcome':
        this.welcome = text
        return
      case 'live':
      case 'refresh':
        this.liveAtMs = performance.now()
        this.#settle?.resolve()
        this.#settle = undefined
        return
      case 'ping':
        return this.write(PONG_REPLY)
      case 'error':
        this.errors.push(text)
        return
    }
  }

  #ended(reason: Error): void {
    this.closeCode ??= 1006
    const stage =
      this.#head !== undefined
        ? 'during the handshake'
        : this.welcome === ''
          ? 'before welcome'
          : 'before live'
    const detail = this.errors[0] ?? `close code ${this.closeCode}`
    this.#settle?.reject(new Error(`not connected: ${reason.message} ${stage} (${detail})`))
    this.#settle = undefined
  }
}
