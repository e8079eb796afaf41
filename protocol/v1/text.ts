/**
 * UTF-8, strictly. Node's own Buffer methods cost a third of TextDecoder and TextEncoder on the short strings of a
 * frame; a browser has only the latter.
 */

import { ProtocolError } from './errors.ts'

interface NativeText {
  utf8Slice(this: Uint8Array, start: number, end: number): string
  latin1Slice(this: Uint8Array, start: number, end: number): string
  utf8Write(this: Uint8Array, text: string, offset: number, length: number): number
}

const node = typeof Buffer === 'function' ? Buffer : undefined
const native = node?.prototype as unknown as NativeText | undefined

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

function decodeStrictly(bytes: Uint8Array, start: number, end: number): string {
  try {
    return strictDecoder.decode(bytes.subarray(start, end))
  } catch (cause) {
    throw new ProtocolError('BAD_FRAME', 'A string is not valid UTF-8.', undefined, { cause })
  }
}

/** Throws BAD_FRAME where the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (native === undefined) return decodeStrictly(bytes, start, end)
  const text = native.utf8Slice.call(bytes, start, end)
  // The native decoder puts U+FFFD where it fails; whether one was there from the start the strict decoder tells.
  return text.includes('\ufffd') ? decodeStrictly(bytes, start, end) : text
}

/** For bytes that are known to be below 0x80. */
export const decodeAscii: (bytes: Uint8Array, start: number, end: number) => string =
  native === undefined ? decodeStrictly : (bytes, start, end) => native.latin1Slice.call(bytes, start, end)

/** Bytes of `text` in UTF-8; a lone surrogate counts as the U+FFFD that is written for it. */
export const utf8Length: (text: string) => number =
  node === undefined ? (text) => encoder.encode(text).length : (text) => node.byteLength(text)

/** Writes `text`, whose UTF-8 has `length` bytes, at `offset`. */
export const writeUtf8: (bytes: Uint8Array, text: string, offset: number, length: number) => void =
  native === undefined
    ? (bytes, text, offset, length) => void encoder.encodeInto(text, bytes.subarray(offset, offset + length))
    : (bytes, text, offset, length) => void native.utf8Write.call(bytes, text, offset, length)

/** With the u flag a pair is one character, so that only a lone surrogate is in the category. */
const LONE_SURROGATE = /\p{Surrogate}/u
const LONE_SURROGATES = /\p{Surrogate}/gu

export function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text)
}

export function toWellFormed(text: string): string {
  return text.replace(LONE_SURROGATES, '\ufffd')
}

/** Memory that is not cleared first. */
export const allocate: (length: number) => Uint8Array =
  node === undefined
    ? (length) => new Uint8Array(length)
    : (length) => new Uint8Array(node.allocUnsafeSlow(length).buffer, 0, length)
