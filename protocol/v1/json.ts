/** Frames as JSON text (§3.2). */

import { ProtocolError, TooDeep } from './errors.ts'
import type { EventFields } from './event-fields.ts'
import { type DepthLimits, LIMITS } from './limits.ts'
import { decodeAscii, decodeUtf8 } from './text.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
/** `[` and `{`, and likewise `]` and `}`, differ in this bit only. */
const BRACE_BIT = 0x20
const OPEN = 0x7b
const CLOSE = 0x7d

/** Throws BAD_FRAME, or TooDeep before anything has been built. */
export function decodeJson(bytes: Uint8Array, limits: DepthLimits = LIMITS): unknown {
  const text = decodeUtf8(bytes, 0, bytes.length)
  // An element takes two bytes at least. What is too short, or opens too little, to pass the limits is not counted.
  if (bytes.length > 2 * limits.maxElements || opensMoreThan(limits.maxDepth, text))
    checkLimits(bytes, limits)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ProtocolError('BAD_FRAME', 'This is not JSON.', undefined, { cause })
  }
}

/** Braces and brackets, those inside strings too. Native searches: a tenth of the cost of a loop over the bytes. */
function opensMoreThan(most: number, text: string): boolean {
  let openers = 0
  for (let i = text.indexOf('{'); i !== -1 && openers <= most; i = text.indexOf('{', i + 1)) openers++
  for (let i = text.indexOf('['); i !== -1 && openers <= most; i = text.indexOf('[', i + 1)) openers++
  return openers > most
}

/**
 * Counts depth and elements without building anything. Throws TooDeep where an object that is closed as it should be
 * passes the limits, and BAD_FRAME where something else does; what is wrong within the limits is left to the parser.
 */
function checkLimits(bytes: Uint8Array, { maxDepth, maxElements }: DepthLimits): void {
  let depth = 0
  let deepest = 0
  let elements = 0
  let fresh = false // a container has been opened and nothing has been in it yet
  let id: number | undefined
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    if (byte <= 0x20) continue
    if ((byte | BRACE_BIT) === CLOSE) {
      depth--
      fresh = false
      continue
    }
    if (fresh) {
      elements++
      fresh = false
    }
    if (byte === COMMA) elements++
    else if (byte === QUOTE) {
      const end = endOfString(bytes, i)
      if (depth === 1 && isIdKey(bytes, i, end)) id = numberAfter(bytes, end) ?? id
      i = end
    } else if ((byte | BRACE_BIT) === OPEN) {
      if (++depth > deepest) deepest = depth
      fresh = true
    }
  }
  if (deepest <= maxDepth && elements <= maxElements) return
  if (depth !== 0 || !isObject(bytes)) throw new ProtocolError('BAD_FRAME', 'This is no JSON object.')
  throw deepest > maxDepth ? TooDeep.depth(maxDepth, id) : TooDeep.elements(maxElements, id)
}

/** As far as the first character tells. */
function isObject(bytes: Uint8Array): boolean {
  return bytes.find((byte) => byte > 0x20) === OPEN
}

/** The index of the closing quote, or the last index where there is none. */
function endOfString(bytes: Uint8Array, start: number): number {
  for (let i = start + 1; i < bytes.length; i++) {
    if (bytes[i] === BACKSLASH) i++
    else if (bytes[i] === QUOTE) return i
  }
  return bytes.length - 1
}

function isIdKey(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === 3 && bytes[start + 1] === 0x69 && bytes[start + 2] === 0x64
}

/** The unsigned 32-bit integer behind the colon that follows the key ending at `end`. */
function numberAfter(bytes: Uint8Array, end: number): number | undefined {
  const tail = decodeAscii(bytes, end + 1, Math.min(end + 40, bytes.length))
  const match = /^\s*:\s*(\d{1,10})\s*[,}]/.exec(tail)
  const id = match === null ? Number.NaN : Number(match[1])
  return id <= 0xffffffff ? id : undefined
}

export function encodeJson(frame: object): string {
  return JSON.stringify(frame)
}

/** The field order is part of the contract: the same event is the same bytes on every node (§8.9). */
export function encodeEventJson(event: EventFields): string {
  return `{"op":"event",${members(event)}}`
}

/** `frame` with a last field `events`, whose payloads are spliced unchanged. */
export function encodeWithEventsJson(frame: object, events: readonly EventFields[]): string {
  const head = JSON.stringify(frame)
  let list = ''
  for (const event of events) list += list === '' ? `{${members(event)}}` : `,{${members(event)}}`
  return `${head.slice(0, -1)}${head.length > 2 ? ',' : ''}"events":[${list}]}`
}

function members(event: EventFields): string {
  const messageId = event.messageId === undefined ? '' : `,"messageId":${quote(event.messageId)}`
  return `"id":${event.id},"channel":${quote(event.channel)},"seq":${event.seq},"type":${quote(event.type)},"payload":${event.payload},"from":${quote(event.from)}${messageId},"ts":${event.ts}`
}

/** Most names need no escape, and the test is cheaper than JSON.stringify. */
const CLEAN = /^[ !#-[\]-~]*$/
function quote(text: string): string {
  return CLEAN.test(text) ? `"${text}"` : JSON.stringify(text)
}
