/** The one serialisation of an accepted payload (§8.9). */

import { ProtocolError } from './errors.ts'
import { LIMITS } from './limits.ts'
import { isWellFormed, toWellFormed, utf8Length } from './text.ts'

/**
 * The JSON text of a payload: made once, stored, and spliced unchanged into every frame. Throws `INVALID_PAYLOAD`,
 * naming the place, where a string or key holds NUL or a lone surrogate, a key is `__proto__`, or a number has
 * overflowed; `TOO_LARGE` where the text has more than `maxBytes` bytes.
 */
export function acceptPayload(value: unknown, maxBytes: number = LIMITS.maxPayloadBytes): string {
  if (value === undefined) throw refused('', 'The payload is missing.')
  const text = JSON.stringify(value)
  // NUL and lone surrogates come out of JSON.stringify as escapes, and infinity as null: without these in the text
  // there is nothing to look for.
  if (text.includes('\\u') || text.includes('null') || text.includes('__proto__')) check(value, '')
  if (text.length > maxBytes || (text.length * 3 > maxBytes && utf8Length(text) > maxBytes)) {
    throw new ProtocolError('TOO_LARGE', `The payload has more than ${maxBytes} bytes.`, { limit: maxBytes })
  }
  return text
}

function check(value: unknown, path: string): void {
  if (typeof value === 'string') checkText(value, path, 'A string')
  else if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw refused(path, 'A number is too large for a double')
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) check(item, `${path}/${index}`)
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, member] of Object.entries(value)) {
      const place = `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
      checkText(key, place, 'A key')
      if (key === '__proto__') throw refused(place, 'A key is __proto__')
      check(member, place)
    }
  }
}

function checkText(text: string, path: string, what: string): void {
  if (text.includes('\0')) throw refused(path, `${what} holds NUL`)
  if (!isWellFormed(text)) throw refused(path, `${what} holds a lone surrogate`)
}

/** `path` is a JSON Pointer from the payload; itself made well-formed, since it is sent back. */
function refused(path: string, message: string): ProtocolError {
  const place = toWellFormed(`/payload${path}`.slice(0, 200)).replaceAll('\0', '\ufffd')
  return new ProtocolError('INVALID_PAYLOAD', path === '' ? message : `${message}, at ${place}.`, {
    path: place,
  })
}
