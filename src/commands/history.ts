import { parseChannel } from '../../protocol/v1/channel.ts'
import type { HistoryFrame } from '../../protocol/v1/frames.ts'
import { LIMITS } from '../../protocol/v1/limits.ts'
import { authorize, historyLimit } from '../access/policy.ts'
import type { Command } from './command.ts'
import { withinBytes } from './reply-size.ts'

/** Events of a channel between two ids: the first ones after `after` where it is given, else the last before `before`. */
export const history: Command<HistoryFrame> = async (caller, frame, { log, limits }) => {
  const channel = parseChannel(frame.channel)!
  authorize(caller.claims, 'history', channel)
  const limit = Math.min(frame.limit ?? LIMITS.defaultHistoryEvents, historyLimit(channel.namespace))
  const from = frame.after === undefined ? 'last' : 'first'
  const before = frame.before ?? Number.MAX_SAFE_INTEGER
  // One more than asked for tells whether there are more.
  const events = await log.history(frame.channel, frame.after ?? 0, before, limit + 1, from)
  const wanted = from === 'first' ? events.slice(0, limit) : events.slice(Math.max(0, events.length - limit))
  const fitting = withinBytes(wanted, limits.maxReplyBytes, from)
  caller.okWithEvents(frame.id, { more: fitting.length < events.length }, fitting)
}
