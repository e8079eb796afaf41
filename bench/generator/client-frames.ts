/** The frames a client sends, ready for the socket: masked with 0, which RFC 6455 allows and which costs nothing. */

const TEXT = 0x1
const PONG = 0xa
/** Ten digits, and below 2^32 as `id` must be. */
const FIRST_ID = 1_000_000_000
const ID_DIGITS = 10

export function maskedFrame(payload: string | Buffer, opcode = TEXT): Buffer {
  const body = Buffer.from(payload as string)
  const header = body.length < 126 ? [body.length | 0x80] : [126 | 0x80, body.length >> 8, body.length & 0xff]
  if (body.length > 0xffff) throw new Error('the generator sends frames below 64 KiB only')
  return Buffer.concat([Buffer.from([0x80 | opcode, ...header, 0, 0, 0, 0]), body])
}

export const pongFrame = (payload: Buffer): Buffer => maskedFrame(payload, PONG)
export const PONG_REPLY = maskedFrame('{"op":"pong"}')

/** Publishes to one channel: one frame made once, in which only `id` and the end of `messageId` change. */
export class PublishFrames {
  readonly #frame: Buffer
  readonly #idAt: number
  readonly #messageIdAt: number
  #nextId = FIRST_ID

  /** `payload`: JSON text. `sender`: what makes this socket's messageIds differ from all others'. */
  constructor(channel: string, payload: string, sender: string) {
    const head = `{"op":"publish","id":`
    const middle = `,"channel":"${channel}","type":"chat.text","payload":${payload},"messageId":"${sender}-`
    const digits = '0'.repeat(ID_DIGITS)
    this.#frame = maskedFrame(`${head}${digits}${middle}${digits}"}`)
    const body = this.#frame.length - Buffer.byteLength(`${head}${digits}${middle}${digits}"}`)
    this.#idAt = body + head.length
    this.#messageIdAt = this.#frame.length - ID_DIGITS - 2
  }

  /** The next `count` publishes, as one piece to write. */
  next(count: number): Buffer {
    const size = this.#frame.length
    const bytes = Buffer.allocUnsafe(size * count)
    for (let n = 0; n < count; n++) {
      const at = n * size
      this.#frame.copy(bytes, at)
      let rest = this.#nextId++
      for (let digit = ID_DIGITS - 1; digit >= 0; digit--) {
        const byte = 48 + (rest % 10)
        rest = Math.floor(rest / 10)
        bytes[at + this.#idAt + digit] = byte
        bytes[at + this.#messageIdAt + digit] = byte
      }
    }
    return bytes
  }
}
