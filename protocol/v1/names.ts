/** The forms of event types, message ids and user ids (§3.6). */

import { encodeId } from './channel.ts'
import { isWellFormed, utf8Length } from './text.ts'

export const TYPE_PATTERN = '^[a-z][a-z0-9_.:-]{0,63}$'
/** Printable ASCII, the space among it. */
export const MESSAGE_ID_PATTERN = '^[ -~]{1,128}$'

const TYPE = new RegExp(TYPE_PATTERN)
const MESSAGE_ID = new RegExp(MESSAGE_ID_PATTERN)
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

export function isType(value: unknown): value is string {
  return typeof value === 'string' && TYPE.test(value)
}

export function isMessageId(value: unknown): value is string {
  return typeof value === 'string' && MESSAGE_ID.test(value)
}

/** 1 to 128 bytes of UTF-8 without control characters, and short enough for the channel `user:<id>` (§7.2). */
export function isUserId(value: unknown): value is string {
  if (typeof value !== 'string' || value.length === 0 || value.length > 128) return false
  if (CONTROL.test(value) || !isWellFormed(value)) return false
  return utf8Length(value) <= 128 && encodeId(value).length <= 200
}
