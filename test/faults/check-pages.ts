import type { Violation } from './check.ts'
import type { Entry, Event, History } from './history.ts'
import type { StoredLog } from './stored-log.ts'

/** Whoever asks for a part of the log, or for the past of a channel, gets it whole and in order. */
export function* checkPages(history: History, log: StoredLog): Generator<Violation> {
  const cursors = new Map<string, number>()
  for (const [at, entry] of history.entries.entries()) {
    if (entry.is === 'fed') {
      const { user, after, next, events } = entry
      const cursor = cursors.get(user) ?? 0
      // Not the server's fault: the test itself would be wrong.
      if (after !== cursor)
        yield { what: `${user} asked for what follows ${after}, and was at ${cursor}`, at }
      cursors.set(user, next)
      const wrong = events.findIndex((event, i) => event.id !== after + 1 + i)
      if (wrong >= 0)
        yield { what: `the page after ${after} has ${events[wrong]!.id} for ${after + 1 + wrong}`, at }
      if (next !== after + events.length) yield { what: `the page after ${after} says next ${next}`, at }
    }
    if (entry.is === 'told') {
      const what = wrongHistory(entry, log)
      if (what !== undefined) yield { what, at, connection: entry.connection }
    }
  }
}

function wrongHistory(entry: Extract<Entry, { is: 'told' }>, log: StoredLog): string | undefined {
  const { channel, after, before, limit, events, more } = entry
  const asked = `the history of ${channel} ${after === undefined ? `before ${before}` : `after ${after}`}`
  if (events.length > limit) return `${asked} has ${events.length} events, more than ${limit}`
  const hole = events.findIndex((event, i) => event.channel !== channel || event.seq !== events[0]!.seq + i)
  if (hole >= 0) return `${asked} has a hole at ${place(events[hole])}`
  if (after !== undefined) {
    const first = log.seqAt(channel, after) + 1
    return events.length > 0 && events[0]!.seq !== first
      ? `${asked} begins with ${place(events[0])}`
      : undefined
  }
  const last = log.seqAt(channel, before! - 1)
  if (last === 0) return events.length > 0 || more ? `${asked} is not empty` : undefined
  if (events.at(-1)?.seq !== last) return `${asked} ends with ${place(events.at(-1))}, not with seq ${last}`
  if (more !== events[0]!.seq > 1)
    return `${asked} begins with ${place(events[0])} and says that there is ${more ? '' : 'no '}more`
  return undefined
}

function place(event: Event | undefined): string {
  return event === undefined ? 'nothing' : `event ${event.id} (${event.channel} ${event.seq})`
}
