/** The fields that frames are made of. A `description` is also what an error's `details.expected` says (§10.1). */

import { Type } from 'typebox'
import { CHANNEL_PATTERN } from './channel.ts'
import { ERRORS } from './errors.ts'
import { MESSAGE_ID_PATTERN, TYPE_PATTERN } from './names.ts'

const MAX_SAFE = Number.MAX_SAFE_INTEGER
/** Text for people and logs: printable ASCII. */
const label = (maxLength: number) =>
  Type.String({
    pattern: `^[ -~]{1,${maxLength}}$`,
    description: `1 to ${maxLength} printable ASCII characters`,
  })

export const RequestId = Type.Integer({
  minimum: 0,
  maximum: 4_294_967_295,
  description: 'an unsigned 32-bit integer',
})
export const Id = Type.Optional(RequestId)
export const EventId = Type.Integer({
  minimum: 0,
  maximum: MAX_SAFE,
  description: 'an event id: an integer from 0 to 2^53 - 1',
})
export const Seq = Type.Integer({
  minimum: 0,
  maximum: MAX_SAFE,
  description: 'a sequence number: an integer from 0 to 2^53 - 1',
})
export const Time = Type.Integer({
  minimum: 0,
  maximum: MAX_SAFE,
  description: 'milliseconds since the Unix epoch',
})
export const Millis = Type.Integer({ minimum: 0, maximum: MAX_SAFE, description: 'milliseconds' })
export const Count = Type.Integer({
  minimum: 0,
  maximum: 4_294_967_295,
  description: 'an unsigned 32-bit integer',
})
export const ChannelName = Type.String({ pattern: CHANNEL_PATTERN, description: 'a channel name' })
export const EventType = Type.String({
  pattern: TYPE_PATTERN,
  description: `a string that matches ${TYPE_PATTERN}`,
})
export const MessageId = Type.String({
  pattern: MESSAGE_ID_PATTERN,
  description: '1 to 128 printable ASCII characters',
})
export const User = Type.String({ minLength: 1, maxLength: 128, description: 'a user id' })
export const Payload = Type.Unknown({ description: 'any JSON value' })
export const Token = Type.String({ minLength: 1, description: 'a token: a string that is not empty' })
export const Session = Type.String({
  pattern: '^[!-~]{1,128}$',
  description: '1 to 128 printable ASCII characters, no space',
})
export const Epoch = Type.String({
  pattern: '^[!-~]{1,64}$',
  description: '1 to 64 printable ASCII characters, no space',
})
export const Label64 = label(64)
export const Label128 = label(128)
export const Text = Type.String({ description: 'a string' })
export const Flag = Type.Boolean({ description: 'true or false' })
export const Status = Type.Union([Type.Literal('online'), Type.Literal('away'), Type.Literal('busy')], {
  description: 'online, away or busy',
})
export const Code = Type.Enum(Object.keys(ERRORS) as (keyof typeof ERRORS)[], {
  description: 'an error code',
})
