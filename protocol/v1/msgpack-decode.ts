/**
 * MessagePack, read strictly: the part of it that says what JSON can say (§3.3). One pass; depth, elements and lengths
 * are checked before anything is allocated for them.
 */

import { ProtocolError, TooDeep } from './errors.ts'
import { type DepthLimits, LIMITS } from './limits.ts'
import { decodeUtf8 } from './text.ts'

const NOTHING = new Uint8Array(0)
const TWO_32 = 4_294_967_296

// The message that is being read. Reading is synchronous and does not call out, so one set is enough.
let source: Uint8Array = NOTHING
let at = 0
let elements = 0
let limits: DepthLimits = LIMITS

const floatBytes = new Uint8Array(8)
const floatView = new DataView(floatBytes.buffer)

/** Throws BAD_FRAME, or TooDeep before what is too deep has been built. */
export function decodeMsgpack(bytes: Uint8Array, bounds: DepthLimits = LIMITS): unknown {
  source = bytes
  limits = bounds
  at = 0
  elements = 0
  try {
    const value = read(0)
    if (at !== bytes.length) throw bad('Bytes follow the frame.')
    return value
  } finally {
    source = NOTHING
  }
}

function read(depth: number): unknown {
  const byte = next()
  if (byte < 0x80) return byte
  if (byte < 0x90) return readMap(byte & 0x0f, depth + 1)
  if (byte < 0xa0) return readArray(byte & 0x0f, depth + 1)
  if (byte < 0xc0) return readString(byte & 0x1f)
  if (byte >= 0xe0) return byte - 0x100
  switch (byte) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xca:
      return finite(float(4).getFloat32(0))
    case 0xcb:
      return finite(float(8).getFloat64(0))
    case 0xcc:
      return next()
    case 0xcd:
      return uint16()
    case 0xce:
      return uint32()
    case 0xcf:
      return safe(uint32() * TWO_32 + uint32())
    case 0xd0:
      return (next() << 24) >> 24
    case 0xd1:
      return (uint16() << 16) >> 16
    case 0xd2:
      return uint32() | 0
    case 0xd3:
      return safe((uint32() | 0) * TWO_32 + uint32())
    case 0xd9:
      return readString(next())
    case 0xda:
      return readString(uint16())
    case 0xdb:
      return readString(uint32())
    case 0xdc:
      return readArray(uint16(), depth + 1)
    case 0xdd:
      return readArray(uint32(), depth + 1)
    case 0xde:
      return readMap(uint16(), depth + 1)
    case 0xdf:
      return readMap(uint32(), depth + 1)
    default:
      throw bad('MessagePack bin, ext and unused forms are not taken.')
  }
}

function readArray(length: number, depth: number): unknown[] {
  enter(length, length, depth)
  const array: unknown[] = new Array(length)
  for (let i = 0; i < length; i++) array[i] = read(depth)
  return array
}

function readMap(length: number, depth: number): object {
  enter(length, 2 * length, depth)
  const object: Record<string, unknown> = {}
  for (let i = 0; i < length; i++) {
    const key = readKey()
    const value = read(depth)
    if (key === '__proto__') define(object, key, value)
    else if (object[key] !== undefined && Object.hasOwn(object, key))
      throw bad('A map has the same key twice.')
    else object[key] = value
  }
  return object
}

/** As JSON.parse does: an own property, never the prototype. */
function define(object: object, key: string, value: unknown): void {
  if (Object.hasOwn(object, key)) throw bad('A map has the same key twice.')
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}

function enter(length: number, atLeastBytes: number, depth: number): void {
  if (atLeastBytes > source.length - at) throw truncated()
  elements += length
  if (depth > limits.maxDepth) throw TooDeep.depth(limits.maxDepth, idOfFrame())
  if (elements > limits.maxElements) throw TooDeep.elements(limits.maxElements, idOfFrame())
}

function readKey(): string {
  const byte = next()
  if (byte >= 0xa0 && byte < 0xc0) return readString(byte & 0x1f)
  if (byte === 0xd9) return readString(next())
  if (byte === 0xda) return readString(uint16())
  if (byte === 0xdb) return readString(uint32())
  throw bad('A key of a map is not a string.')
}

// Keys, ops, types and channels repeat from frame to frame, and to compare with a known string costs less than to make
// one. A slot keeps the last short ASCII string that hashed to it.
const SLOTS = 1024
const SHORT = 24
const known: (string | undefined)[] = new Array(SLOTS).fill(undefined)

function readString(length: number): string {
  const end = at + length
  if (end > source.length) throw truncated()
  const text = length <= SHORT ? readShort(end) : decodeUtf8(source, at, end)
  at = end
  return text
}

function readShort(end: number): string {
  let hash = 0
  let seen = 0
  for (let i = at; i < end; i++) {
    const character = source[i] as number
    seen |= character
    hash = (Math.imul(hash, 31) + character) | 0
  }
  if (seen > 0x7f) return decodeUtf8(source, at, end)
  const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1)
  const kept = known[slot]
  if (kept !== undefined && matches(kept, end)) return kept
  const text = decodeUtf8(source, at, end)
  known[slot] = text
  return text
}

function matches(text: string, end: number): boolean {
  if (text.length !== end - at) return false
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== source[at + i]) return false
  return true
}

function next(): number {
  if (at >= source.length) throw truncated()
  return source[at++] as number
}

function uint16(): number {
  return (next() << 8) | next()
}

function uint32(): number {
  return ((next() << 24) | (next() << 16) | (next() << 8) | next()) >>> 0
}

function float(length: number): DataView {
  for (let i = 0; i < length; i++) floatBytes[i] = next()
  return floatView
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw bad('NaN and infinity are not taken.')
  return value
}

function safe(value: number): number {
  if (!Number.isSafeInteger(value)) throw bad('An integer is beyond 2^53.')
  return value
}

function bad(message: string): ProtocolError {
  return new ProtocolError('BAD_FRAME', message)
}

function truncated(): ProtocolError {
  return bad('The frame ends too early.')
}

/** The `id` of a frame that is too deep to be built. Throws BAD_FRAME where it is no frame anyway. */
function idOfFrame(): number | undefined {
  at = 0
  const byte = next()
  const length =
    byte >= 0x80 && byte < 0x90 ? byte & 0x0f : byte === 0xde ? uint16() : byte === 0xdf ? uint32() : -1
  if (length === -1) throw bad('A frame is a map.')
  let id: unknown
  for (let i = 0; i < length; i++) {
    const value = readKey() === 'id' && isScalar() ? read(0) : skip()
    if (value !== undefined) id = value
  }
  if (at !== source.length) throw bad('Bytes follow the frame.')
  return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id <= 0xffffffff ? id : undefined
}

/** The next value is no array, map or string: to read it is to skip it, or to refuse it. */
function isScalar(): boolean {
  const byte = source[at] ?? 0xc1
  return byte < 0x80 || byte >= 0xe0 || (byte >= 0xc0 && byte <= 0xd8)
}

/** Walks over one value, however deep, without recursion. */
function skip(): undefined {
  for (let pending = 1; pending > 0; pending--) {
    if (isScalar()) {
      read(0)
      continue
    }
    const byte = next()
    if (byte < 0x90) pending += 2 * (byte & 0x0f)
    else if (byte < 0xa0) pending += byte & 0x0f
    else if (byte < 0xc0) skipBytes(byte & 0x1f)
    else if (byte === 0xd9) skipBytes(next())
    else if (byte === 0xda) skipBytes(uint16())
    else if (byte === 0xdb) skipBytes(uint32())
    else if (byte === 0xdc) pending += uint16()
    else if (byte === 0xdd) pending += uint32()
    else if (byte === 0xde) pending += 2 * uint16()
    else pending += 2 * uint32()
  }
  return undefined
}

function skipBytes(length: number): void {
  at += length
  if (at > source.length) throw truncated()
}
