import type { Violation } from './check.ts'
import type { StoredLog } from './stored-log.ts'

/** The log by itself: ids and seqs without a gap, time that never goes back, each message once. */
export function* checkLog(log: StoredLog): Generator<Violation> {
  const seqs = new Map<string, number>()
  const messages = new Map<string, number>()
  let id = 0
  let ts = 0
  for (const event of log.events) {
    const eventId = event.id
    if (event.id !== ++id) {
      yield { what: `the log has no event ${id}: after ${id - 1} comes ${event.id}`, eventId }
      id = event.id
    }
    const seq = (seqs.get(event.channel) ?? 0) + 1
    seqs.set(event.channel, event.seq)
    if (event.seq !== seq) {
      yield { what: `event ${event.id} is number ${event.seq} of ${event.channel}, not ${seq}`, eventId }
    }
    if (event.ts < ts) {
      yield { what: `event ${event.id} is of ${event.ts}, the one before of ${ts}: time went back`, eventId }
    }
    ts = event.ts
    const key = `${event.from} ${event.messageId}`
    const earlier = messages.get(key)
    if (earlier !== undefined) {
      yield { what: `message ${key} is there twice: events ${earlier} and ${event.id}`, eventId }
    }
    messages.set(key, event.id)
  }
}
