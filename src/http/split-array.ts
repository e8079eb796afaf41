import { ProtocolError } from '../../protocol/v1/errors.ts'

const SPACES: ReadonlySet<number | undefined> = new Set([0x20, 0x09, 0x0a, 0x0d])
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
/** `[` and `{`, and likewise `]` and `}`, differ in this bit only. */
const BRACE_BIT = 0x20
const OPEN = 0x7b
const CLOSE = 0x7d

/**
 * The elements of a JSON array as the bytes they are written in, or `undefined` where the body is no array. So each
 * event of an array is held to the limits of a frame by the decoder of frames, before anything is built from it.
 *
 * What is wrong inside an element is left to that decoder.
 *
 * @throws {ProtocolError} BAD_FRAME where the array is not closed as it should be, TOO_LARGE beyond `max` elements
 */
export function splitArray(body: Uint8Array, max: number): Uint8Array[] | undefined {
  let at = skipSpaces(body, 0)
  if (body[at] !== OPEN_ARRAY) return undefined
  const elements: Uint8Array[] = []
  let depth = 1
  let start = ++at
  for (; at < body.length; at++) {
    const byte = body[at]!
    if (byte === QUOTE) {
      at = endOfString(body, at)
    } else if ((byte | BRACE_BIT) === OPEN) {
      depth++
    } else if ((byte | BRACE_BIT) === CLOSE) {
      if (--depth > 0) continue
      const empty = elements.length === 0 && skipSpaces(body, start) === at
      if (!empty) add(at)
      if (byte !== CLOSE_ARRAY || skipSpaces(body, at + 1) < body.length) break
      return elements
    } else if (byte === COMMA && depth === 1) {
      add(at)
    }
  }
  throw new ProtocolError('BAD_FRAME', 'The body is not a JSON array.')

  function add(end: number) {
    elements.push(body.subarray(start, end))
    start = end + 1
    if (elements.length > max) {
      throw new ProtocolError('TOO_LARGE', `The body has more than ${max} events.`, { limit: 'events', max })
    }
  }
}

function skipSpaces(body: Uint8Array, from: number): number {
  let at = from
  while (SPACES.has(body[at])) at++
  return at
}

/** The place of the closing quote, or the end of the body. */
function endOfString(body: Uint8Array, quote: number): number {
  let at = quote + 1
  for (; at < body.length && body[at] !== QUOTE; at++) {
    if (body[at] === BACKSLASH) at++
  }
  return at
}
