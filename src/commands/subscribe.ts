import { parseChannel } from '../../protocol/v1/channel.ts'
import { ProtocolError } from '../../protocol/v1/errors.ts'
import type { SubscribeFrame } from '../../protocol/v1/frames.ts'
import { authorize, historyLimit, usersPerChannel } from '../access/policy.ts'
import type { LogEvent } from '../log/event.ts'
import type { Log } from '../log/log.ts'
import type { Command } from './command.ts'
import { withinBytes } from './reply-size.ts'

export const subscribe: Command<SubscribeFrame> = (caller, frame, { log, hub, limits }) =>
  caller.inOrder(async () => {
    const { id, channel, last } = frame
    const parsed = parseChannel(channel)!
    authorize(caller.claims, 'subscribe', parsed)
    const wanted = Math.min(last ?? 0, historyLimit(parsed.namespace))
    const events =
      wanted > 0 ? await lastEvents(log, channel, wanted) : await log.seqs.load([channel]).then(() => [])
    // From here to the subscription nothing is awaited: what the reply tells and where the stream starts is one position,
    // and nobody else can take the last place in between.
    const isNew = !caller.channels.has(channel)
    if (isNew && caller.channels.size >= limits.maxChannelsPerSession) {
      const message = `A session has at most ${limits.maxChannelsPerSession} channels.`
      throw new ProtocolError('TOO_MANY_CHANNELS', message)
    }
    if (isNew && hub.users(channel) >= usersPerChannel(parsed.namespace, limits.maxUsersPerChannel)) {
      throw new ProtocolError('CHANNEL_FULL', `${channel} has as many users as it may have.`)
    }
    const seq = log.seqs.get(channel) ?? 0
    const fields = { channel, seq, pos: log.position }
    if (last === undefined) {
      caller.ok(id, fields)
    } else {
      const fitting = withinBytes(events, limits.maxReplyBytes, 'last')
      const complete = fitting.length >= Math.min(last, seq)
      caller.okWithEvents(id, { ...fields, complete }, fitting)
    }
    if (isNew) caller.subscribe(channel)
  })

/** The channel's last `count` events at the tail's position, which is the present one when the promise resolves. */
async function lastEvents(log: Log, channel: string, count: number): Promise<LogEvent[]> {
  for (;;) {
    // Postgres may be ahead of the tail, whose position is what counts; the tail may go on while Postgres answers.
    const position = log.position
    const known = await log.history(channel, 0, position + 1, count, 'last')
    await log.seqs.load([channel])
    const missing = (log.seqs.get(channel) ?? 0) - (known.at(-1)?.seq ?? 0)
    if (missing === 0) return known
    if (!log.window.covers(position)) continue
    const later = log.window.after(position, [channel], missing)
    if (later.length === missing) return [...known, ...later].slice(-count)
  }
}
