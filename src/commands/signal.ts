import { parseChannel } from '../../protocol/v1/channel.ts'
import { codecs } from '../../protocol/v1/codec.ts'
import type { SignalFrame } from '../../protocol/v1/frames.ts'
import { acceptPayload } from '../../protocol/v1/validate.ts'
import { authorize } from '../access/policy.ts'
import type { Command } from './command.ts'

/** Ephemeral: fanned out to the channel's other subscribers, never stored, at most once. */
export const signal: Command<SignalFrame> = (caller, frame, { hub, catalogue, metrics }) => {
  const channel = catalogue.route(parseChannel(frame.channel)!, frame.type)
  authorize(caller.claims, 'signal', channel)
  if (frame.payload !== undefined) acceptPayload(frame.payload)
  const { type, payload } = frame
  const out = {
    op: 'signal',
    channel: channel.text,
    type,
    payload,
    from: caller.claims.sub,
    ts: Date.now(),
  } as const
  hub.broadcast(channel.text, (encoding) => codecs[encoding].encode(out), caller.socket)
  metrics.signals++
  caller.ok(frame.id)
}
