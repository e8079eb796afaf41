import type { LogEvent } from '../log/event.ts'

/** As many of the events as fit into a reply of `maxBytes`, at least one: the first ones, or the last ones. */
export function withinBytes(
  events: readonly LogEvent[],
  maxBytes: number,
  keep: 'first' | 'last',
): readonly LogEvent[] {
  const ordered = keep === 'first' ? events : events.toReversed()
  let bytes = 0
  let fitting = 0
  for (const event of ordered) {
    bytes += Buffer.byteLength(event.payload) + EVENT_FIELDS_BYTES
    if (bytes > maxBytes && fitting > 0) break
    fitting++
  }
  return keep === 'first' ? events.slice(0, fitting) : events.slice(events.length - fitting)
}

/** An event's other fields in a reply: a channel, a sender and a messageId of usual length. */
const EVENT_FIELDS_BYTES = 250
