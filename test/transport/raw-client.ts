import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { until } from './fixture.ts'

export interface Frame {
  readonly opcode: number
  readonly payload: Buffer
}

/** A WebSocket client on a plain socket, which can stop reading, fall silent and misbehave. */
export class RawClient {
  readonly socket: Socket
  readonly frames: Frame[] = []
  head = ''
  chunks = 0
  ended = false
  /** Whether a close frame is followed, as it should be. */
  polite = true
  #unread: Buffer = Buffer.alloc(0)
  #messages = 0
  #upgraded = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk) => this.#take(chunk))
    socket.on('end', () => {
      this.ended = true
    })
    socket.on('close', () => {
      this.ended = true
    })
  }

  static async open(port: number, headers: readonly string[] = [], path = '/ws'): Promise<RawClient> {
    const client = new RawClient(connect({ port, host: '127.0.0.1', allowHalfOpen: true }))
    client.socket.write(
      [
        `GET ${path} HTTP/1.1`,
        'Host: localhost',
        'Upgrade: websocket',
        'Connection: Upgrade',
        'Sec-WebSocket-Version: 13',
        `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
        ...headers,
        '\r\n',
      ].join('\r\n'),
    )
    await until(() => client.#upgraded || client.ended)
    return client
  }

  get texts(): string[] {
    return this.frames.filter(({ opcode }) => opcode === 1).map(({ payload }) => payload.toString())
  }

  get messages(): number {
    return this.#messages
  }

  get closeCode(): number | undefined {
    const close = this.frames.find(({ opcode }) => opcode === 8)
    // RFC 6455 §7.1.5: 1005 where none is told.
    return close && (close.payload.length < 2 ? 1005 : close.payload.readUInt16BE(0))
  }

  stopReading(): void {
    this.socket.pause()
  }

  read(): void {
    this.socket.resume()
  }

  /** One masked frame. */
  send(opcode: number, payload: Buffer | string, final = true): void {
    const bytes = Buffer.from(payload)
    const mask = randomBytes(4)
    const header = [(final ? 0x80 : 0) | opcode]
    if (bytes.length < 126) header.push(0x80 | bytes.length)
    else if (bytes.length < 65_536) header.push(0x80 | 126, bytes.length >> 8, bytes.length & 0xff)
    else header.push(0x80 | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (bytes.length >> shift) & 0xff))
    const masked = bytes.map((byte, index) => byte ^ mask[index & 3]!)
    this.socket.write(Buffer.concat([Buffer.from(header), mask, masked]))
  }

  #take(chunk: Buffer): void {
    this.chunks++
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk])
    if (!this.#upgraded) {
      const end = this.#unread.indexOf('\r\n\r\n')
      if (end < 0) return
      this.head = this.#unread.toString('latin1', 0, end)
      this.#unread = this.#unread.subarray(end + 4)
      this.#upgraded = true
      this.chunks = 0
    }
    for (;;) {
      const frame = readFrame(this.#unread)
      if (frame === undefined) return
      this.frames.push({ opcode: frame.opcode, payload: Buffer.from(frame.payload) })
      this.#unread = this.#unread.subarray(frame.bytes)
      if (frame.opcode <= 2) this.#messages++
      if (frame.opcode !== 8 || !this.polite) continue
      this.send(8, frame.payload)
      this.socket.end()
    }
  }
}

/** The first whole frame of a server. */
function readFrame(bytes: Buffer): (Frame & { bytes: number }) | undefined {
  if (bytes.length < 2) return undefined
  const short = bytes[1]! & 0x7f
  const start = short < 126 ? 2 : short === 126 ? 4 : 10
  if (bytes.length < start) return undefined
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  if (bytes.length < start + length) return undefined
  return { opcode: bytes[0]! & 0x0f, payload: bytes.subarray(start, start + length), bytes: start + length }
}
