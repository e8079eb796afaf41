import { parseChannel } from '../../protocol/v1/channel.ts'
import { ProtocolError } from '../../protocol/v1/errors.ts'
import type { UnsubscribeFrame } from '../../protocol/v1/frames.ts'
import type { Command } from './command.ts'

export const unsubscribe: Command<UnsubscribeFrame> = (caller, { id, channel }) =>
  caller.inOrder(() => {
    if (parseChannel(channel) === undefined) {
      throw new ProtocolError('INVALID_CHANNEL', 'channel must be a channel name in its one spelling.')
    }
    caller.unsubscribe(channel)
    caller.ok(id)
  })
