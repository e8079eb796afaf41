/** The cursor rule (§8.4), as every client keeps it. */

import type { ServerFrame } from './frames.ts'

/** `lastEventId` after `frame`. Undefined: there is no cursor before the first `live` or `refresh` of a fresh session. */
export function moveCursor(lastEventId: number | undefined, frame: ServerFrame): number | undefined {
  switch (frame.op) {
    case 'event':
      return lastEventId === undefined ? undefined : Math.max(lastEventId, frame.id)
    case 'live':
      return lastEventId === undefined ? frame.pos : Math.max(lastEventId, frame.pos)
    case 'ping':
      return lastEventId === undefined ? undefined : Math.max(lastEventId, frame.pos)
    case 'refresh':
      return frame.pos
    default:
      return lastEventId
  }
}
