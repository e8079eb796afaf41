/**
 * Walks over the WebSocket frames of a server (RFC 6455 §5.2: never masked) and counts acks and events by one byte of
 * their text, without decoding them. Every other frame is handed on whole; there are few of them.
 */

const TEXT = 0x1
const FIN = 0x80
/** `{"op":"` is the same in every frame; the two bytes behind it tell the frames apart that come in numbers. */
const OP_OFFSET = 7
const HEADER_BYTES = 10
const NOTHING = Buffer.alloc(0)

const O = 'o'.charCodeAt(0)
const K = 'k'.charCodeAt(0)
const E = 'e'.charCodeAt(0)
const V = 'v'.charCodeAt(0)

export class FrameWalker {
  acks = 0
  events = 0
  /** Bytes of the events' payloads, without the WebSocket headers. */
  eventBytes = 0
  /** Payload bytes of a counted frame that have not come yet. */
  #skip = 0
  /** The beginning of a frame whose rest has not come yet. */
  #carried: Buffer = NOTHING
  readonly #other: (opcode: number, payload: Buffer) => void

  constructor(other: (opcode: number, payload: Buffer) => void) {
    this.#other = other
  }

  /** `chunk` is read during the call only. */
  walk(chunk: Buffer): void {
    let bytes = chunk
    if (this.#carried.length > 0) {
      bytes = Buffer.concat([this.#carried, chunk])
      this.#carried = NOTHING
    }
    const end = bytes.length
    let at = Math.min(this.#skip, end)
    this.#skip -= at
    while (at < end) {
      if (end - at < 2) return this.#carry(bytes, at)
      const first = bytes[at]!
      let length = bytes[at + 1]!
      let header = 2
      if (length === 126) {
        if (end - at < 4) return this.#carry(bytes, at)
        length = (bytes[at + 2]! << 8) | bytes[at + 3]!
        header = 4
      } else if (length === 127) {
        if (end - at < HEADER_BYTES) return this.#carry(bytes, at)
        length = bytes.readUInt32BE(at + 6)
        header = HEADER_BYTES
      }
      const body = at + header
      if (first === (FIN | TEXT) && length > OP_OFFSET + 1) {
        if (body + OP_OFFSET + 2 > end) return this.#carry(bytes, at)
        const one = bytes[body + OP_OFFSET]!
        const two = bytes[body + OP_OFFSET + 1]!
        const isAck = one === O && two === K
        const isEvent = one === E && two === V
        if (isAck || isEvent) {
          if (isAck) this.acks++
          else {
            this.events++
            this.eventBytes += length
          }
          at = body + length
          if (at > end) {
            this.#skip = at - end
            return
          }
          continue
        }
      }
      if (body + length > end) return this.#carry(bytes, at)
      if ((first & FIN) === 0)
        throw new Error('the server fragments its messages; the generator does not follow')
      this.#other(first & 0x0f, bytes.subarray(body, body + length))
      at = body + length
    }
  }

  #carry(bytes: Buffer, at: number): void {
    this.#carried = Buffer.from(bytes.subarray(at))
  }
}
