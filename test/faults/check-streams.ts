import type { Violation } from './check.ts'
import type { Entry, History } from './history.ts'
import type { StoredLog } from './stored-log.ts'
import { StreamCheck } from './stream-check.ts'

interface Connection {
  readonly user: string
  readonly stream: StreamCheck
  /** Where `hello` resumed. */
  readonly resumedAt: number | undefined
  /** The first violation is told; what follows from it is not. */
  broken: boolean
}

/**
 * Every client got exactly the events of its channels, in id order, from where its stream started, once per stream; and
 * since each resume starts at the cursor, which moves by §8.4 only, exactly once over all its connections.
 */
export function* checkStreams(history: History, log: StoredLog): Generator<Violation> {
  const connections = new Map<string, Connection>()
  const cursors = new Map<string, number>()
  let epoch: string | undefined

  for (const [at, entry] of history.entries.entries()) {
    if (!('connection' in entry)) continue
    if (entry.is === 'hello') {
      const { user, lastEventId } = entry
      connections.set(entry.connection, {
        user,
        stream: new StreamCheck(log),
        resumedAt: lastEventId,
        broken: false,
      })
      const cursor = cursors.get(user)
      // Not the server's fault: the test itself would be wrong.
      if (cursor !== lastEventId)
        yield {
          what: `the client resumed at ${lastEventId}, its cursor was ${cursor}`,
          at,
          connection: entry.connection,
        }
      continue
    }
    const connection = connections.get(entry.connection)
    if (connection === undefined) continue
    moveCursor(cursors, connection.user, entry, history)
    if (connection.broken) continue
    let what = verdict(entry, connection, history)
    if (entry.is === 'welcome') {
      epoch ??= entry.epoch
      if (epoch !== entry.epoch) what ??= `the epoch is ${entry.epoch}, and was ${epoch}`
    }
    if (what === undefined) continue
    connection.broken = true
    yield { what, at, connection: entry.connection, eventId: idOf(entry, history) }
  }
}

function verdict(entry: Entry, { stream, resumedAt }: Connection, history: History): string | undefined {
  switch (entry.is) {
    case 'welcome':
      return stream.welcome(entry, resumedAt)
    case 'event':
      return stream.event(history.frames[entry.frame]!.event)
    case 'live':
    case 'ping':
      return stream.position(entry)
    case 'refresh':
      return stream.refresh(entry)
    case 'subscribed':
      return stream.subscribed(entry)
    case 'unsubscribe':
      stream.unsubscribe(entry.channel)
      return undefined
    case 'unsubscribed':
      stream.unsubscribed(entry.channel)
      return undefined
    case 'synced':
      return stream.synced(entry.lastEventId)
    case 'settled':
      return stream.settled()
    default:
      return undefined
  }
}

/** §8.4. A fresh session has no cursor before its first `live`. */
function moveCursor(cursors: Map<string, number>, user: string, entry: Entry, history: History): void {
  const cursor = cursors.get(user)
  if (entry.is === 'refresh') cursors.set(user, entry.pos)
  else if (entry.is === 'live') cursors.set(user, Math.max(cursor ?? 0, entry.pos))
  else if (cursor === undefined) return
  else if (entry.is === 'ping') cursors.set(user, Math.max(cursor, entry.pos))
  else if (entry.is === 'event') cursors.set(user, Math.max(cursor, history.frames[entry.frame]!.event.id))
}

function idOf(entry: Entry, history: History): number | undefined {
  if (entry.is === 'event') return history.frames[entry.frame]!.event.id
  return 'pos' in entry ? entry.pos : undefined
}
