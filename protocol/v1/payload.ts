/** The one serialisation of an accepted payload (§8.9). */

import { ProtocolError } from './errors.ts'
import { isWellFormed, toWellFormed } from './text.ts'

/**
 * The JSON text of a payload: made once, stored, and spliced unchanged into every frame. Throws `INVALID_PAYLOAD`,
 * naming the place, where a string or key holds NUL or a lone surrogate, a key is `__proto__`, or a number has
 * overflowed. Size, depth and elements have been checked on the bytes that it came in.
 */
export function acceptPayload(value: unknown): string {
  if (value === undefined) throw refused({ what: 'The payload is missing', path: '' })
  const text = JSON.stringify(value)
  // NUL and lone surrogates come out of JSON.stringify as escapes, and infinity as null: without these in the text
  // there is nothing to look for.
  if (text.includes('\\u') || text.includes('null') || text.includes('__proto__')) {
    const fault = faultIn(value)
    if (fault !== undefined) throw refused(fault)
  }
  return text
}

interface Fault {
  readonly what: string
  /** A JSON Pointer from the value that was looked at. */
  readonly path: string
}

function faultIn(value: unknown): Fault | undefined {
  if (typeof value === 'string') return faultInText(value, 'A string')
  if (typeof value === 'number') {
    return Number.isFinite(value) ? undefined : { what: 'A number is too large for a double', path: '' }
  }
  if (typeof value !== 'object' || value === null) return undefined
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const fault = faultIn(value[i])
      if (fault !== undefined) return { ...fault, path: `/${i}${fault.path}` }
    }
    return undefined
  }
  for (const key of Object.keys(value)) {
    const fault =
      key === '__proto__'
        ? { what: 'A key is __proto__', path: '' }
        : (faultInText(key, 'A key') ?? faultIn((value as Record<string, unknown>)[key]))
    if (fault !== undefined) return { ...fault, path: `/${escaped(key)}${fault.path}` }
  }
  return undefined
}

function faultInText(text: string, what: string): Fault | undefined {
  if (text.includes('\0')) return { what: `${what} holds NUL`, path: '' }
  return isWellFormed(text) ? undefined : { what: `${what} holds a lone surrogate`, path: '' }
}

/** RFC 6901 §3 */
function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** The place is sent back, so it is bounded and well-formed itself. */
function refused({ what, path }: Fault): ProtocolError {
  const place = toWellFormed(`/payload${path}`.slice(0, 200)).replaceAll('\0', '\ufffd')
  const message = path === '' ? `${what}.` : `${what}, at ${place}.`
  return new ProtocolError('INVALID_PAYLOAD', message, { path: place })
}
