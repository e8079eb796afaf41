/**
 * How long a peer may take to read what is buffered and to answer the close frame before its connection is ended by
 * force, in milliseconds.
 */
export const CLOSE_GRACE_MS = 2_000

export const TOO_SLOW_REASON = 'too slow to read'
export const SHUTTING_DOWN_REASON = 'server closed'

/** RFC 6455 §7.4.1: going away. */
export const GOING_AWAY = 1001

const MAX_REASON_BYTES = 123

/** A close reason as long as a control frame can carry (RFC 6455 §5.5), cut between two characters. */
export function fitReason(reason: string): string {
  if (Buffer.byteLength(reason) <= MAX_REASON_BYTES) return reason
  const bytes = Buffer.from(reason)
  let end = MAX_REASON_BYTES
  // 10xxxxxx continues a character.
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
