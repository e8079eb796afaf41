import type { Violation } from './check.ts'
import type { Entry, Event, History } from './history.ts'
import type { StoredLog } from './stored-log.ts'

type Publish = Extract<Entry, { is: 'publish' }>
type Acknowledged = Extract<Entry, { is: 'acknowledged' }>

/** What a publisher may be told while the server and its database come and go. Each says: try again. */
const PASSING = new Set(['UNAVAILABLE', 'OVERLOADED'])

/**
 * What was acknowledged is in the log as acknowledged, every time that it was; what is in the log was sent by somebody;
 * nothing was refused that had no fault of its own.
 */
export function* checkPublishes(history: History, log: StoredLog): Generator<Violation> {
  const requests = new Map<string, Publish>()
  const sent = new Map<string, Publish>()
  for (const [at, entry] of history.entries.entries()) {
    if (entry.is === 'publish') {
      requests.set(`${entry.connection} ${entry.request}`, entry)
      if (entry.intent !== 'misuse') sent.set(`${entry.user} ${entry.messageId}`, entry)
      continue
    }
    if (entry.is !== 'acknowledged' && entry.is !== 'refused' && entry.is !== 'unanswered') continue
    const about = { at, connection: entry.connection }
    const publish = requests.get(`${entry.connection} ${entry.request}`)
    if (entry.is === 'unanswered') yield { what: 'a request got no reply', ...about }
    else if (entry.is === 'acknowledged') yield* acknowledged(publish, entry, log, about)
    else {
      const right = publish?.intent === 'misuse' && entry.code === 'IDEMPOTENCY_CONFLICT'
      if (!right && !PASSING.has(entry.code)) yield { what: `refused with ${entry.code}`, ...about }
    }
  }
  for (const event of log.events) {
    const { id: eventId, messageId } = event
    const publish = sent.get(`${event.from} ${messageId}`)
    if (publish === undefined) yield { what: `nobody sent event ${eventId}`, eventId, messageId }
    else {
      const difference = differs(event, { ...publish, from: publish.user })
      if (difference !== undefined)
        yield { what: `event ${eventId} is not as it was sent: ${difference}`, eventId, messageId }
    }
  }
}

function* acknowledged(
  publish: Publish | undefined,
  entry: Acknowledged,
  log: StoredLog,
  about: { at: number; connection: string },
): Generator<Violation> {
  const { messageId, eventId } = entry
  const where = { ...about, messageId, eventId }
  if (publish === undefined) return yield { what: 'an acknowledgement of what was not sent', ...where }
  if (publish.intent === 'misuse')
    return yield { what: `acknowledged, though messageId ${messageId} is of another body`, ...where }
  if (publish.intent === 'repeat' && !entry.duplicate)
    yield { what: `the repeat of ${messageId} was not acknowledged as a duplicate`, ...where }
  const event = log.byMessage(publish.user, publish.messageId)
  if (event === undefined)
    return yield { what: `acknowledged event ${eventId} (${messageId}) is not in the log`, ...where }
  const { is: _, eventId: id, ...fields } = entry
  const difference = differs(event, { ...fields, id })
  if (difference !== undefined)
    yield { what: `event ${event.id} is not as it was acknowledged: ${difference}`, ...where }
}

/** The first field in which the event differs, said in words. */
export function differs(event: Event, expected: Partial<Event>): string | undefined {
  for (const name of ['id', 'channel', 'seq', 'type', 'from', 'messageId', 'ts', 'payload'] as const) {
    if (!(name in expected)) continue
    const same =
      name === 'payload'
        ? sameValue(event.payload, expected.payload!)
        : event[name] === (expected as Event)[name]
    if (!same) return `${name} is ${event[name]}, not ${expected[name]}`
  }
  return undefined
}

function sameValue(a: string, b: string): boolean {
  return a === b || JSON.stringify(JSON.parse(a)) === JSON.stringify(JSON.parse(b))
}
