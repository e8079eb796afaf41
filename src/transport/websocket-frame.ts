import type { Encoded } from './transport.ts'

const TEXT = 0x81
const BINARY = 0x82

/** One WebSocket message of a server, unmasked and whole: header and payload (RFC 6455 §5.2). */
export function frameOf(message: Encoded): Buffer {
  const text = typeof message === 'string'
  const length = text ? Buffer.byteLength(message) : message.length
  const start = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(start + length)
  frame[0] = text ? TEXT : BINARY
  if (start === 2) {
    frame[1] = length
  } else if (start === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeUInt32BE(0, 2)
    frame.writeUInt32BE(length, 6)
  }
  if (text) frame.write(message, start)
  else frame.set(message, start)
  return frame
}
