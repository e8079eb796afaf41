import { InvalidArgumentError } from 'commander'
import { parseChannel } from '../../protocol/v1/channel.ts'
import { isMessageId, isType } from '../../protocol/v1/names.ts'

/** Each takes what was typed, or throws what is allowed. */

export function channelName(text: string): string {
  if (parseChannel(text) !== undefined) return text
  throw new InvalidArgumentError('Allowed: NAMESPACE:NAME or NAMESPACE:NAME/MODULE, such as room:lobby.')
}

export function eventType(text: string): string {
  if (isType(text)) return text
  throw new InvalidArgumentError(
    'Allowed: a lower-case letter and up to 63 more of a-z 0-9 _ . : -, such as message:send.',
  )
}

export function messageIdText(text: string): string {
  if (isMessageId(text)) return text
  throw new InvalidArgumentError('Allowed: 1 to 128 printable ASCII characters.')
}

export function eventId(text: string): number {
  const id = Number(text)
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(id)) return id
  throw new InvalidArgumentError('Allowed: an event id, 0 for all.')
}

const SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }
const MAX_DAYS = 3650

/** `90`, `90s`, `15m`, `12h`, `30d` in seconds. */
export function duration(text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text)
  const seconds = match ? Number(match[1]) * SECONDS[match[2]!]! : 0
  if (seconds > 0 && seconds <= MAX_DAYS * SECONDS.d!) return seconds
  throw new InvalidArgumentError(`Allowed: a number of seconds, or 90s, 15m, 12h, 30d; at most ${MAX_DAYS}d.`)
}
