import type { Violation } from './check.ts'
import { differs } from './check-publishes.ts'
import type { Event, History } from './history.ts'
import type { StoredLog } from './stored-log.ts'

/** What clients received is what the log holds; in one encoding an event has the same bytes whenever it is sent (§8.9). */
export function* checkFrames(history: History, log: StoredLog): Generator<Violation> {
  const digests = new Map<string, string>()
  const seen = new Set<number>()
  for (const [at, entry] of history.entries.entries()) {
    if ('events' in entry) {
      const about = 'connection' in entry ? { at, connection: entry.connection } : { at }
      for (const event of entry.events ?? []) yield* compare(event, log, about)
    }
    if (entry.is !== 'event' || seen.has(entry.frame)) continue
    seen.add(entry.frame)
    const { encoding, digest, event } = history.frames[entry.frame]!
    const about = { at, connection: entry.connection, eventId: event.id }
    yield* compare(event, log, about)
    const key = `${encoding} ${event.id}`
    if ((digests.get(key) ?? digest) !== digest)
      yield { what: `event ${event.id} has other bytes than before (${encoding})`, ...about }
    digests.set(key, digest)
  }
}

function* compare(
  event: Event,
  log: StoredLog,
  about: { at: number; connection?: string },
): Generator<Violation> {
  const stored = log.byId(event.id)
  if (stored === undefined)
    return yield {
      what: `event ${event.id} was delivered and is not in the log`,
      ...about,
      eventId: event.id,
    }
  const difference = differs(event, stored)
  if (difference !== undefined) {
    const what = `event ${event.id} was not delivered as it is in the log: ${difference}`
    yield { what, ...about, eventId: event.id }
  }
}
