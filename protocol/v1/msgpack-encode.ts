/**
 * MessagePack, written deterministically (§3.4): shortest forms, members in the order of the object, integers as
 * integers, other numbers as float32 where that is exact and as float64 otherwise.
 */

import type { EventFields } from './event-fields.ts'
import { allocate, utf8Length, writeUtf8 } from './text.ts'

// Frames are written one behind the other into a block and handed out as views of it, which saves a copy. A block that
// is full is left to its frames; a small one, so that one frame that lives long holds little memory.
const BLOCK_BYTES = 16_384
let block = allocate(BLOCK_BYTES)
let view = new DataView(block.buffer)
let start = 0
let at = 0

export function encodeMsgpack(frame: object): Uint8Array {
  return framed(() => write(frame))
}

/** The bytes of `{op: 'event', id, channel, seq, type, payload, from, messageId?, ts}`. */
export function encodeEventMsgpack(event: EventFields): Uint8Array {
  const payload: unknown = JSON.parse(event.payload)
  return framed(() => {
    writeSize(event.messageId === undefined ? 8 : 9, MAP, MAP_16)
    writeBytes(OP_EVENT)
    writeMembers(event, payload)
  })
}

/** `frame` with a last field `events`. */
export function encodeWithEventsMsgpack(frame: object, events: readonly EventFields[]): Uint8Array {
  const payloads = events.map((event): unknown => JSON.parse(event.payload))
  return framed(() => {
    writeMap(frame as Record<string, unknown>, 1)
    writeString('events')
    writeSize(events.length, ARRAY, ARRAY_16)
    for (const [i, event] of events.entries()) {
      writeSize(event.messageId === undefined ? 7 : 8, MAP, MAP_16)
      writeMembers(event, payloads[i])
    }
  })
}

/** What `write` puts into the block. A frame that is not finished must not stay there. */
function framed(write: () => void): Uint8Array {
  start = at
  try {
    write()
    return block.subarray(start, at)
  } catch (error) {
    at = start
    throw error
  }
}

const MAP = 0x80
const MAP_16 = 0xde
const ARRAY = 0x90
const ARRAY_16 = 0xdc
const ascii = (text: string) => new TextEncoder().encode(text)
/** A fixstr. */
const key = (text: string) => new Uint8Array([0xa0 | text.length, ...ascii(text)])
const OP_EVENT = new Uint8Array([...key('op'), ...key('event')])
const ID = key('id')
const CHANNEL = key('channel')
const SEQ = key('seq')
const TYPE = key('type')
const PAYLOAD = key('payload')
const FROM = key('from')
const MESSAGE_ID = key('messageId')
const TS = key('ts')

function writeMembers(event: EventFields, payload: unknown): void {
  writeBytes(ID)
  writeNumber(event.id)
  writeBytes(CHANNEL)
  writeString(event.channel)
  writeBytes(SEQ)
  writeNumber(event.seq)
  writeBytes(TYPE)
  writeString(event.type)
  writeBytes(PAYLOAD)
  write(payload)
  writeBytes(FROM)
  writeString(event.from)
  if (event.messageId !== undefined) {
    writeBytes(MESSAGE_ID)
    writeString(event.messageId)
  }
  writeBytes(TS)
  writeNumber(event.ts)
}

function write(value: unknown): void {
  switch (typeof value) {
    case 'string':
      return writeString(value)
    case 'number':
      return writeNumber(value)
    case 'boolean':
      room(1)
      block[at++] = value ? 0xc3 : 0xc2
      return
    case 'object':
      if (value === null) {
        room(1)
        block[at++] = 0xc0
        return
      }
      if (Array.isArray(value)) {
        writeSize(value.length, ARRAY, ARRAY_16)
        for (const item of value) write(item)
        return
      }
      return writeMap(value as Record<string, unknown>, 0)
    default:
      throw new TypeError(`A ${typeof value} cannot be put into a frame.`)
  }
}

/** A member that is undefined is left out. `extra` members are written by the caller. */
function writeMap(object: Record<string, unknown>, extra: number): void {
  const names = Object.keys(object)
  let length = names.length + extra
  for (const name of names) if (object[name] === undefined) length--
  writeSize(length, MAP, MAP_16)
  for (const name of names) {
    const value = object[name]
    if (value === undefined) continue
    writeString(name)
    write(value)
  }
}

/** The header of a map or array; the form with a 32-bit length follows the one with 16 bits. */
function writeSize(length: number, fixed: number, wide: number): void {
  room(5)
  if (length < 16) block[at++] = fixed | length
  else if (length < 0x10000) {
    block[at++] = wide
    putUint16(length)
  } else {
    block[at++] = wide + 1
    putUint32(length)
  }
}

function writeNumber(value: number): void {
  room(9)
  if (Number.isSafeInteger(value)) return value >= 0 ? writeUnsigned(value) : writeNegative(value)
  if (!Number.isFinite(value)) throw new TypeError(`${value} cannot be put into a frame.`)
  if (Math.fround(value) === value) {
    block[at++] = 0xca
    view.setFloat32(at, value)
    at += 4
  } else {
    block[at++] = 0xcb
    view.setFloat64(at, value)
    at += 8
  }
}

function writeUnsigned(value: number): void {
  if (value < 0x80) block[at++] = value
  else if (value < 0x100) {
    block[at++] = 0xcc
    block[at++] = value
  } else if (value < 0x10000) {
    block[at++] = 0xcd
    putUint16(value)
  } else if (value < 0x1_0000_0000) {
    block[at++] = 0xce
    putUint32(value)
  } else {
    block[at++] = 0xcf
    putUint32(Math.floor(value / 0x1_0000_0000))
    putUint32(value)
  }
}

function writeNegative(value: number): void {
  if (value >= -0x20) block[at++] = value
  else if (value >= -0x80) {
    block[at++] = 0xd0
    block[at++] = value
  } else if (value >= -0x8000) {
    block[at++] = 0xd1
    putUint16(value)
  } else if (value >= -0x8000_0000) {
    block[at++] = 0xd2
    putUint32(value)
  } else {
    block[at++] = 0xd3
    putUint32(Math.floor(value / 0x1_0000_0000))
    putUint32(value)
  }
}

function putUint16(value: number): void {
  block[at++] = value >> 8
  block[at++] = value
}

function putUint32(value: number): void {
  block[at++] = value >>> 24
  block[at++] = value >>> 16
  block[at++] = value >>> 8
  block[at++] = value
}

/** Up to this length, writing characters one by one is cheaper than a native call. */
const SHORT = 48

function writeString(text: string): void {
  const length = text.length
  if (length <= SHORT && writeShortAscii(text, length)) return
  const bytes = utf8Length(text)
  room(5 + bytes)
  if (bytes < 32) block[at++] = 0xa0 | bytes
  else if (bytes < 0x100) {
    block[at++] = 0xd9
    block[at++] = bytes
  } else if (bytes < 0x10000) {
    block[at++] = 0xda
    putUint16(bytes)
  } else {
    block[at++] = 0xdb
    putUint32(bytes)
  }
  writeUtf8(block, text, at, bytes)
  at += bytes
}

function writeShortAscii(text: string, length: number): boolean {
  room(SHORT + 2)
  const target = block
  let to = at
  if (length < 32) target[to++] = 0xa0 | length
  else {
    target[to++] = 0xd9
    target[to++] = length
  }
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return false
    target[to++] = code
  }
  at = to
  return true
}

function writeBytes(bytes: Uint8Array): void {
  const length = bytes.length
  room(length)
  const [target, to] = [block, at]
  for (let i = 0; i < length; i++) target[to + i] = bytes[i] as number
  at = to + length
}

/** Makes room for `bytes` more by moving the unfinished frame into a new block. */
function room(bytes: number): void {
  if (at + bytes <= block.length) return
  const written = at - start
  const fresh = allocate(Math.max(BLOCK_BYTES, 2 * (written + bytes)))
  fresh.set(block.subarray(start, at))
  block = fresh
  view = new DataView(block.buffer)
  start = 0
  at = written
}
