import { codecs } from '../../protocol/v1/codec.ts'
import type { LogEvent } from '../log/event.ts'
import type { Encoded, Encoding } from '../transport/transport.ts'

/** The event's frame; encoded at most once per encoding, whoever asks and however often. */
export function frameOf(event: LogEvent, encoding: Encoding): Encoded {
  if (encoding === 'json') {
    event.jsonFrame ??= codecs.json.encodeEvent(event)
    return event.jsonFrame
  }
  event.msgpackFrame ??= codecs.msgpack.encodeEvent(event)
  return event.msgpackFrame
}
