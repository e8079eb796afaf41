import { randomBytes } from 'node:crypto'
import { parseChannel } from '../../protocol/v1/channel.ts'
import { ProtocolError } from '../../protocol/v1/errors.ts'
import type { OkPublish, PublishFrame } from '../../protocol/v1/frames.ts'
import { acceptPayload } from '../../protocol/v1/validate.ts'
import { authorize } from '../access/policy.ts'
import type { Claims } from '../access/verify-token.ts'
import type { Group, Outcome } from '../log/append.ts'
import type { Draft, LogEvent } from '../log/event.ts'
import type { Command, Services } from './command.ts'

/** What is to be published, over the socket or over HTTP; its fields are of the right form. */
export type PublishRequest = Pick<PublishFrame, 'channel' | 'type' | 'payload' | 'messageId'>

export type Ack = Omit<OkPublish, 'op' | 'id'>

/** The rate limit of repeated messageIds that the window does not know: they cost the whole batch a second try. No type has a blank. */
const REPEAT = ' repeat'

export const publish: Command<PublishFrame> = (caller, frame, services) => {
  const started = performance.now()
  const draft = accept(caller.claims, frame, services)
  caller.checkLimit(REPEAT)
  submit({ events: [draft] }, services, (outcome, looked) => {
    services.metrics.publishSeconds.observe((performance.now() - started) / 1000)
    if (outcome.ok) caller.ok(frame.id, ackOf(outcome))
    else caller.error(frame.id, outcome.error)
    if (looked && (outcome.ok ? outcome.duplicate : outcome.error.code === 'IDEMPOTENCY_CONFLICT'))
      caller.countUse(REPEAT)
  })
}

/** Checks a request and makes the draft of its event. Throws a `ProtocolError`. */
export function accept(
  claims: Claims,
  request: PublishRequest,
  { catalogue }: Pick<Services, 'catalogue'>,
): Draft {
  const channel = parseChannel(request.channel)
  if (channel === undefined)
    throw new ProtocolError('INVALID_CHANNEL', 'channel must be a channel name in its one spelling.')
  const routed = catalogue.route(channel, request.type)
  authorize(claims, 'publish', routed)
  const payload = acceptPayload(request.payload)
  return {
    channel: routed.text,
    type: request.type,
    payload,
    from: claims.sub,
    messageId: request.messageId ?? newMessageId(),
  }
}

/** Appends a group, or finds that it had been appended; `looked`: that was found by asking Postgres. */
export function submit(
  group: Group,
  { log, metrics }: Pick<Services, 'log' | 'metrics'>,
  settle: (outcome: Outcome, looked: boolean) => void,
): void {
  const done = (outcome: Outcome, looked: boolean) => {
    if (outcome.ok && outcome.duplicate) metrics.duplicates++
    settle(outcome, looked)
  }
  const { from, messageId } = group.events[0]!
  const earlier = messageId === undefined ? undefined : log.window.findMessage(from, messageId)
  if (earlier === undefined) return log.append(group, (outcome) => done(outcome, true))
  void log.repeat(earlier, group).then((outcome) => done(outcome, false))
}

export function ackOf({ events, duplicate }: Extract<Outcome, { ok: true }>): Ack {
  const [first] = events as readonly [LogEvent]
  const ack = {
    channel: first.channel,
    eventId: first.id,
    seq: first.seq,
    ts: first.ts,
    messageId: first.messageId!,
  }
  if (duplicate) return { ...ack, duplicate: true }
  if (events.length === 1) return ack
  return { ...ack, events: events.map(({ channel, id, seq, type }) => ({ channel, eventId: id, seq, type })) }
}

const RUN = randomBytes(9).toString('base64url')
let made = 0

/** Rising within a run of the server, which keeps the index of messageIds compact. */
function newMessageId(): string {
  made++
  return `${RUN}-${made.toString(36).padStart(8, '0')}`
}
