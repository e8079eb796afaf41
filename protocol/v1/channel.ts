/** Channel names (§7): `namespace:id` or `namespace:id/module`, ASCII, each channel with exactly one spelling. */

import { ProtocolError } from './errors.ts'
import { decodeUtf8, isWellFormed, utf8Length, writeUtf8 } from './text.ts'

export interface Channel {
  readonly namespace: string
  /** As it stands in the name: percent-encoded, its parts separated by `~`. `partsOf` decodes it. */
  readonly id: string
  readonly module?: string
  /** The whole name. */
  readonly text: string
}

export const CHANNEL_PATTERN = '^[a-z][a-z0-9-]{0,31}:[A-Za-z0-9._+@=%~-]{1,200}(/[a-z][a-z0-9_-]{0,31})?$'

const CHANNEL = /^([a-z][a-z0-9-]{0,31}):([A-Za-z0-9._+@=%~-]{1,200})(?:\/([a-z][a-z0-9_-]{0,31}))?$/
const PLAIN = /^[A-Za-z0-9._+@=-]*$/
const PLAIN_BYTE = new Uint8Array(256)
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+@=-') {
  PLAIN_BYTE[character.charCodeAt(0)] = 1
}
const HEX = '0123456789ABCDEF'

/** Undefined where the text is not the one spelling of a channel (`INVALID_CHANNEL`). */
export function parseChannel(text: string): Channel | undefined {
  const match = CHANNEL.exec(text)
  if (match === null) return undefined
  const namespace = match[1] as string
  const id = match[2] as string
  const module = match[3]
  if (!isCanonicalId(namespace, id)) return undefined
  return module === undefined ? { namespace, id, text } : { namespace, id, module, text }
}

/** An id for use in a channel name: exactly the bytes outside `[A-Za-z0-9._+@=-]` are encoded (§7.2). */
export function encodeId(id: string): string {
  if (PLAIN.test(id)) return id
  if (!isWellFormed(id)) throw new ProtocolError('INVALID_CHANNEL', 'An id holds a lone surrogate.')
  const length = utf8Length(id)
  const bytes = new Uint8Array(length)
  writeUtf8(bytes, id, 0, length)
  let encoded = ''
  for (const byte of bytes) {
    encoded += PLAIN_BYTE[byte] === 1 ? String.fromCharCode(byte) : `%${HEX[byte >> 4]}${HEX[byte & 15]}`
  }
  return encoded
}

/** The inverse of `encodeId`; throws INVALID_CHANNEL where `encodeId` would not have written it so. */
export function decodeId(encoded: string): string {
  if (PLAIN.test(encoded)) return encoded
  const id = decodePercent(encoded)
  if (id === undefined || encodeId(id) !== encoded) {
    throw new ProtocolError('INVALID_CHANNEL', `'${encoded.slice(0, 64)}' is not an encoded id.`)
  }
  return id
}

/** The decoded parts of a channel's id, `~` being what separates them: one for `user:`, two for `dm:` and `role:`. */
export function partsOf(channel: Channel): string[] {
  return channel.id.split('~').map(decodeId)
}

/** The name of a channel with one raw, not yet encoded id. Throws INVALID_CHANNEL. */
export function channelOf(namespace: string, id: string, module?: string): string {
  return checked(`${namespace}:${encodeId(id)}${module === undefined ? '' : `/${module}`}`)
}

/** The name of a channel whose id has several raw parts, in this order. Throws INVALID_CHANNEL. */
export function channelOfParts(namespace: string, ...parts: string[]): string {
  return checked(`${namespace}:${parts.map(encodeId).join('~')}`)
}

/** The direct-message channel of two users, the same whoever asks (§7.4). */
export function dmOf(one: string, other: string): string {
  const [a, b] = [encodeId(one), encodeId(other)]
  return checked(a <= b ? `dm:${a}~${b}` : `dm:${b}~${a}`)
}

/** The module's channel beside `channel`, which may be a module's channel itself. */
export function withModule(channel: string, module: string): string {
  const slash = channel.indexOf('/')
  return `${slash === -1 ? channel : channel.slice(0, slash)}/${module}`
}

function checked(text: string): string {
  if (parseChannel(text) === undefined) {
    throw new ProtocolError('INVALID_CHANNEL', `'${text.slice(0, 64)}' is not a channel.`)
  }
  return text
}

function isCanonicalId(namespace: string, id: string): boolean {
  if (id.includes('%') || id.includes('~')) {
    for (const part of id.split('~')) if (part === '' || !isCanonicalPart(part)) return false
  }
  return namespace !== 'dm' || isOrderedPair(id)
}

function isCanonicalPart(part: string): boolean {
  if (!part.includes('%')) return true
  const decoded = decodePercent(part)
  return decoded !== undefined && !decoded.includes('\0') && encodeId(decoded) === part
}

/** §7.4: two spellings of one direct-message channel would split the conversation. */
function isOrderedPair(id: string): boolean {
  const at = id.indexOf('~')
  return at !== -1 && at === id.lastIndexOf('~') && id.slice(0, at) <= id.slice(at + 1)
}

function decodePercent(text: string): string | undefined {
  const bytes = new Uint8Array(text.length)
  let length = 0
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== 0x25) {
      bytes[length++] = text.charCodeAt(i)
      continue
    }
    const high = HEX.indexOf(text.charAt(i + 1))
    const low = HEX.indexOf(text.charAt(i + 2))
    if (high < 0 || low < 0 || i + 2 >= text.length) return undefined
    bytes[length++] = high * 16 + low
    i += 2
  }
  try {
    return decodeUtf8(bytes, 0, length)
  } catch {
    return undefined // not UTF-8: no id was encoded to this
  }
}
