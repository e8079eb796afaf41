import type { SyncFrame } from '../../protocol/v1/frames.ts'
import type { Command } from './command.ts'

/** The client saw a hole: live stops, `ok`, everything after the id over all channels, `live`; or a refresh. */
export const sync: Command<SyncFrame> = (caller, { id, lastEventId }) =>
  caller.inOrder(() => caller.rewind(lastEventId, () => caller.ok(id)))
