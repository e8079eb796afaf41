import type { Violation } from './check.ts'
import type { History } from './history.ts'
import type { StoredLog } from './stored-log.ts'

/** What was known to be in the log before an event was sent has a smaller id (§8.1), whoever knew it and whoever sent. */
function* checkKnownBefore(history: History, log: StoredLog): Generator<Violation> {
  const sent = new Set<string>()
  let known = { id: 0, at: -1 }
  const hear = (id: number, at: number) => {
    if (id > known.id) known = { id, at }
  }
  for (const [at, entry] of history.entries.entries()) {
    if (entry.is === 'acknowledged') hear(entry.eventId, at)
    else if (entry.is === 'event') hear(history.frames[entry.frame]!.event.id, at)
    else if ('pos' in entry) hear(entry.pos, at)
    else if (entry.is === 'fed') hear(entry.next, at)
    if (entry.is !== 'publish' || entry.intent === 'misuse') continue
    const { user, messageId, connection } = entry
    const key = `${user} ${messageId}`
    if (sent.has(key)) continue
    sent.add(key)
    const event = log.byMessage(user, messageId)
    if (event === undefined || event.id > known.id) continue
    const what = `${messageId} was sent when event ${known.id} was known (entry ${known.at}), and became event ${event.id}`
    yield { what, at, connection, messageId, eventId: event.id }
  }
}

interface Publish {
  readonly connection: string
  readonly messageId: string
  readonly sentAt: number
  attempts: number
  /** Undefined: not acknowledged, or not at the first attempt. */
  eventId?: number
  acknowledgedAt?: number
}

/** One connection's publishes keep their order (§8.1), as far as they were acknowledged without having been repeated. */
function* checkPipelines(history: History): Generator<Violation> {
  const messages = new Map<string, Publish>()
  const requests = new Map<string, Publish>()
  for (const [at, entry] of history.entries.entries()) {
    if (entry.is === 'publish' && entry.intent !== 'misuse') {
      const { connection, messageId, request, user } = entry
      const key = `${user} ${messageId}`
      const publish = messages.get(key) ?? { connection, messageId, sentAt: at, attempts: 0 }
      publish.attempts++
      messages.set(key, publish)
      requests.set(`${connection} ${request}`, publish)
    } else if (entry.is === 'acknowledged') {
      const publish = requests.get(`${entry.connection} ${entry.request}`)
      if (publish?.attempts === 1) {
        publish.eventId = entry.eventId
        publish.acknowledgedAt = at
      }
    }
  }
  // A Map keeps the order of insertion, which is that of the first attempts.
  const last = new Map<string, Publish>()
  for (const publish of messages.values()) {
    const { connection, messageId, eventId, acknowledgedAt: at } = publish
    if (eventId === undefined || at === undefined) continue
    const before = last.get(connection)
    last.set(connection, publish)
    if (before === undefined || before.eventId! < eventId) continue
    const what = `${messageId} was sent after ${before.messageId}, and is event ${eventId} before ${before.eventId}`
    yield { what, at, connection, messageId, eventId }
  }
}

export function* checkOrder(history: History, log: StoredLog): Generator<Violation> {
  yield* checkKnownBefore(history, log)
  yield* checkPipelines(history)
}
