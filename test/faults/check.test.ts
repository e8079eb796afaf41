import t from 'tap'
import { check } from './check.ts'
import { type Event, type Happening, type History, Recorder } from './history.ts'
import { StoredLog } from './stored-log.ts'

const A = 'room:a'
const B = 'room:b'

/** A short run in which every promise was kept. The tests break it in one place each. */
function goodRun() {
  const recorder = new Recorder()
  const events: Event[] = []
  const seqs = new Map<string, number>()
  const note = (happening: Happening) => recorder.record(happening)
  let request = 0

  const send = (
    messageId: string,
    channel: string,
    intent: 'publish' | 'retry' | 'repeat' | 'misuse' = 'publish',
  ) => {
    const body = { channel, type: 'note', payload: `{"text":"${messageId}"}` }
    note({ is: 'publish', connection: 'w#1', request: ++request, user: 'w', messageId, ...body, intent })
    return request
  }
  const commit = (messageId: string, channel: string) => {
    const seq = (seqs.get(channel) ?? 0) + 1
    seqs.set(channel, seq)
    const id = events.length + 1
    const payload = `{"text":"${messageId}"}`
    events.push({ id, channel, seq, type: 'note', payload, from: 'w', messageId, ts: 1000 + id })
    return events.at(-1)!
  }
  const acknowledge = (request: number, { id, channel, seq, ts, messageId }: Event, duplicate = false) =>
    note({
      ...{ is: 'acknowledged', connection: 'w#1', request, messageId: messageId!, channel, eventId: id },
      ...{ seq, ts, duplicate },
    })
  const publish = (messageId: string, channel: string) =>
    acknowledge(send(messageId, channel), commit(messageId, channel))
  const deliver = (connection: string, id: number, encoding: 'json' | 'msgpack' = 'json') => {
    const event = events[id - 1]!
    const bytes = Buffer.from(JSON.stringify(event))
    note({ is: 'event', connection, frame: recorder.frame(encoding, bytes, () => event) })
  }
  const hello = (connection: string, lastEventId?: number, encoding: 'json' | 'msgpack' = 'json') =>
    note({ is: 'hello', connection, user: 'r', encoding, channels: [A, B], lastEventId })
  const welcome = (connection: string, resume: string, pos: number, seqsThere: [number, number]) => {
    const channels = [A, B].map((channel, i) => ({ channel, seq: seqsThere[i]! }))
    note({ is: 'welcome', connection, resume, epoch: 'e', pos, channels, refused: [] })
  }

  publish('m1', A)
  hello('r#1')
  welcome('r#1', 'fresh', 1, [1, 0])
  note({ is: 'live', connection: 'r#1', pos: 1 })
  publish('m2', A)
  publish('m3', B)
  deliver('r#1', 2)
  deliver('r#1', 3)
  note({ is: 'ping', connection: 'r#1', pos: 3 })
  note({ is: 'closed', connection: 'r#1', code: 1006, by: 'us' })
  // Two in flight; the first reply is lost, its repeat is acknowledged as a duplicate.
  send('m4', A)
  const five = send('m5', B)
  commit('m4', A)
  acknowledge(five, commit('m5', B))
  note({ is: 'fault', what: 'kill -9 of the server' })
  acknowledge(send('m4', A, 'retry'), events[3]!, true)
  // Abandoned: one is there, the other is not.
  send('m6', A)
  commit('m6', A)
  send('m7', B)
  hello('r#2', 3, 'msgpack')
  welcome('r#2', 'resumed', 6, [2, 1])
  for (const id of [4, 5, 6]) deliver('r#2', id, 'msgpack')
  note({ is: 'live', connection: 'r#2', pos: 6 })
  note({ is: 'unsubscribe', connection: 'r#2', request: 1, channel: B })
  note({ is: 'unsubscribed', connection: 'r#2', request: 1, channel: B })
  publish('m8', B)
  publish('m9', A)
  deliver('r#2', 8, 'msgpack')
  note({ is: 'subscribe', connection: 'r#2', request: 2, channel: B, last: 1 })
  note({
    ...{ is: 'subscribed', connection: 'r#2', request: 2, channel: B, seq: 3, pos: 8 },
    events: [events[6]!],
  })
  note({ is: 'sync', connection: 'r#2', request: 3, lastEventId: 5 })
  note({ is: 'synced', connection: 'r#2', request: 3, lastEventId: 5 })
  for (const id of [6, 7, 8]) deliver('r#2', id, 'msgpack')
  note({ is: 'live', connection: 'r#2', pos: 8 })
  acknowledge(send('m9', A, 'repeat'), events[7]!, true)
  const misuse = send('m9', B, 'misuse')
  note({ is: 'refused', connection: 'w#1', request: misuse, code: 'IDEMPOTENCY_CONFLICT' })
  note({ is: 'fed', user: 'f', after: 0, next: 5, events: events.slice(0, 5) })
  note({ is: 'fed', user: 'f', after: 5, next: 8, events: events.slice(5, 8) })
  const asked = { connection: 'r#2', channel: B, after: undefined, before: undefined, limit: 2 }
  note({ is: 'told', request: 4, ...asked, before: 8, events: [events[4]!, events[6]!], more: true })
  note({ is: 'told', request: 5, ...asked, after: 3, events: [events[4]!], more: true })
  note({ is: 'settled', connection: 'r#2' })
  return { history: recorder as History, entries: recorder.entries, frames: recorder.frames, events }
}

type Run = ReturnType<typeof goodRun>

function firstViolation(breakIt: (run: Run) => void): string | undefined {
  const run = goodRun()
  breakIt(run)
  return check(run.history, new StoredLog(run.events))[0]?.what
}

/** The entry of that kind, the n-th from 0. */
function entry(run: Run, is: Happening['is'], nth = 0): any {
  return run.entries.filter((candidate) => candidate.is === is)[nth]
}

function remove(run: Run, is: Happening['is'], nth = 0): void {
  run.entries.splice(run.entries.indexOf(entry(run, is, nth)), 1)
}

function repeat(run: Run, is: Happening['is'], nth = 0): void {
  const place = run.entries.indexOf(entry(run, is, nth))
  run.entries.splice(place + 1, 0, run.entries[place]!)
}

function swap(run: Run, is: Happening['is'], a: number, b: number): void {
  const [first, second] = [entry(run, is, a), entry(run, is, b)].map((found) => run.entries.indexOf(found))
  const kept = run.entries[first!]!
  run.entries[first!] = run.entries[second!]!
  run.entries[second!] = kept
}

t.test('a run in which every promise was kept has no violation', async (t) => {
  const { history, events } = goodRun()
  t.same(check(history, new StoredLog(events)), [])
})

const BROKEN: readonly [name: string, breakIt: (run: Run) => void, says: RegExp][] = [
  // The log by itself.
  ['a gap in the ids', ({ events }) => events.splice(5, 1), /the log has no event 6/],
  [
    'a gap in a channel',
    ({ events }) => Object.assign(events[4]!, { seq: 3 }),
    /is number 3 of room:b, not 2/,
  ],
  ['time that goes back', ({ events }) => Object.assign(events[4]!, { ts: 5 }), /time went back/],
  [
    'a message that is there twice',
    ({ events }) => events.push({ ...events[7]!, id: 9, seq: 6 }),
    /message w m9 is there twice: events 8 and 9/,
  ],
  // Acknowledgements.
  [
    'an acknowledged event that is not there',
    ({ events }) => events.pop(),
    /acknowledged event 8 \(m9\) is not in the log/,
  ],
  [
    'another id than acknowledged',
    (run) => Object.assign(entry(run, 'acknowledged', 1), { eventId: 3 }),
    /id is 2, not 3/,
  ],
  [
    'another seq than acknowledged',
    (run) => Object.assign(entry(run, 'acknowledged', 1), { seq: 7 }),
    /seq is 2, not 7/,
  ],
  [
    'another time than acknowledged',
    (run) => Object.assign(entry(run, 'acknowledged', 1), { ts: 7 }),
    /ts is 1002, not 7/,
  ],
  [
    'another payload than sent',
    ({ events }) => Object.assign(events[5]!, { payload: '{"text":"x"}' }),
    /event 6 is not as it was sent: payload/,
  ],
  [
    'an event that nobody sent',
    ({ events }) => Object.assign(events[5]!, { messageId: 'm0' }),
    /nobody sent event 6/,
  ],
  [
    'a repeat that is not told as such',
    (run) => Object.assign(entry(run, 'acknowledged', 7), { duplicate: false }),
    /not acknowledged as a duplicate/,
  ],
  [
    'a messageId that is taken for another body',
    (run) => {
      const { request, connection } = entry(run, 'refused')
      const ok = entry(run, 'acknowledged', 7)
      run.entries.push({ ...ok, request, connection })
    },
    /acknowledged, though messageId m9 is of another body/,
  ],
  [
    'a refusal without a reason',
    (run) => Object.assign(entry(run, 'refused'), { code: 'FORBIDDEN' }),
    /refused with FORBIDDEN/,
  ],
  [
    'a request without a reply',
    (run) => run.entries.push({ is: 'unanswered', connection: 'w#1', request: 1, ms: 0 }),
    /got no reply/,
  ],
  // Order.
  [
    'an id that is smaller than one known before',
    (run) => {
      const moved = [entry(run, 'publish', 1), entry(run, 'acknowledged', 1)]
      run.entries.splice(run.entries.indexOf(moved[0]), 2)
      run.entries.splice(run.entries.indexOf(entry(run, 'ping')) + 1, 0, ...moved)
    },
    /m2 was sent when event 3 was known \(entry \d+\), and became event 2/,
  ],
  [
    'a pipeline that is turned round',
    (run) => {
      const [first, second] = [entry(run, 'publish', 3), entry(run, 'publish', 4)]
      run.entries.splice(run.entries.indexOf(first), 2, second, first)
      remove(run, 'publish', 5) // the retry
      Object.assign(entry(run, 'acknowledged', 4), { request: first.request, duplicate: false })
    },
    /m4 was sent after m5, and is event 4 before 5/,
  ],
  // Streams.
  [
    'a lost event',
    (run) => remove(run, 'event', 0),
    /event 3 came, and what precedes it did not: 2 \(room:a 2\)/,
  ],
  [
    'a lost event that is the last',
    (run) => remove(run, 'event', 1),
    /ping 3 came, and what precedes it did not: 3/,
  ],
  [
    'a lost event of a replay',
    (run) => remove(run, 'event', 3),
    /event 6 came, and what precedes it did not: 5/,
  ],
  [
    'a lost event at the end of a replay',
    (run) => remove(run, 'event', 4),
    /live 6 came, and what precedes it did not: 6/,
  ],
  ['a doubled event', (run) => repeat(run, 'event', 1), /event 3 after 3/],
  [
    'events in the wrong order',
    (run) => swap(run, 'event', 0, 1),
    /event 3 came, and what precedes it did not/,
  ],
  [
    'an event that comes again after the resume',
    (run) => {
      const place = run.entries.indexOf(entry(run, 'event', 2))
      run.entries.splice(place, 0, { is: 'event', connection: 'r#2', frame: 1, ms: 0 })
    },
    /event 3 after 3/,
  ],
  [
    'a resume that starts too late',
    (run) => Object.assign(entry(run, 'welcome', 1).channels[0], { seq: 3 }),
    /the stream of room:a starts at seq 3, not 2, which it has at 3/,
  ],
  [
    'a refresh',
    (run) => Object.assign(entry(run, 'live', 1), { is: 'refresh', reason: 'too_old' }),
    /a refresh \(too_old\)/,
  ],
  [
    'a resume met with a refresh',
    (run) => Object.assign(entry(run, 'welcome', 1), { resume: 'refresh' }),
    /cursor 3 was met with refresh/,
  ],
  [
    'an event of a channel that was left',
    (run) => {
      const place = run.entries.indexOf(entry(run, 'event', 5))
      run.entries.splice(place, 0, { is: 'event', connection: 'r#2', frame: 6, ms: 0 })
      run.frames.push({ encoding: 'msgpack', digest: 'x', event: run.events[6]! })
      Object.assign(run.entries[place]!, { frame: run.frames.length - 1 })
    },
    /event 7 of room:b, which the session does not have/,
  ],
  [
    'a subscription that starts too early',
    (run) => Object.assign(entry(run, 'subscribed'), { seq: 2 }),
    /subscribed to room:b at seq 2, which is 3 at 8/,
  ],
  [
    'a subscription that brings other events than the last',
    (run) => Object.assign(entry(run, 'subscribed'), { events: [run.events[4]!] }),
    /the last 1 events before seq 3 of room:b have room:b 2/,
  ],
  [
    'a sync that does not go back far enough',
    (run) => remove(run, 'event', 6),
    /event 7 came, and what precedes it did not: 6/,
  ],
  ['a sync without a live', (run) => remove(run, 'live', 2), /no live had come/],
  [
    'a client that never caught up',
    (run) => run.entries.splice(run.entries.indexOf(entry(run, 'event', 8)), 2),
    /no live had come/,
  ],
  [
    'the last event that never came',
    (run) => {
      Object.assign(entry(run, 'live', 2), { pos: 7 })
      remove(run, 'event', 8)
    },
    /all was quiet, and what was due had not come: 8 \(room:a 5\)/,
  ],
  ['a welcome without a live', (run) => remove(run, 'live', 1), /a sync began before the live/],
  ['a second live', (run) => repeat(run, 'live', 1), /a live that no welcome or sync owes/],
  [
    'another epoch',
    (run) => Object.assign(entry(run, 'welcome', 1), { epoch: 'f' }),
    /the epoch is f, and was e/,
  ],
  [
    'a client that cheats',
    (run) => Object.assign(entry(run, 'hello', 1), { lastEventId: 2 }),
    /the client resumed at 2, its cursor was 3/,
  ],
  // Pages.
  ['a hole in the feed', (run) => entry(run, 'fed', 1).events.splice(1, 1), /the page after 5 has 8 for 7/],
  [
    'a feed that skips',
    (run) => Object.assign(entry(run, 'fed'), { next: 6 }),
    /the page after 0 says next 6/,
  ],
  [
    'a hole in a history',
    (run) => Object.assign(entry(run, 'told'), { events: [run.events[2]!, run.events[6]!] }),
    /the history of room:b before 8 has a hole at event 7/,
  ],
  [
    'a history that ends too early',
    (run) => entry(run, 'told').events.pop(),
    /ends with event 5 \(room:b 2\), not with seq 3/,
  ],
  [
    'a history that begins too late',
    (run) => Object.assign(entry(run, 'told', 1), { events: [run.events[6]!] }),
    /after 3 begins with event 7/,
  ],
  [
    'a history that hides its beginning',
    (run) => Object.assign(entry(run, 'told'), { more: false }),
    /says that there is no more/,
  ],
  [
    'a history of other events',
    (run) => Object.assign(entry(run, 'told', 1), { events: [{ ...run.events[4]!, ts: 1 }] }),
    /event 5 was not delivered as it is in the log: ts is 1, not 1005/,
  ],
  // Frames.
  [
    'other bytes for the same event',
    (run) => {
      const frame = run.frames.find(({ event }) => event.id === 8)!
      run.frames.push({ ...frame, digest: 'other' })
      Object.assign(entry(run, 'event', 8), { frame: run.frames.length - 1 })
    },
    /event 8 has other bytes than before \(msgpack\)/,
  ],
  [
    'another payload than stored',
    (run) => Object.assign(run.frames[0]!, { event: { ...run.events[1]!, payload: 'null' } }),
    /event 2 was not delivered as it is in the log: payload is null/,
  ],
  [
    'a delivered event that is not in the log',
    (run) => {
      Object.assign(run.frames.at(-1)!, { event: { ...run.events[7]!, id: 9 } })
    },
    /event 9 was delivered and is not in the log/,
  ],
]

for (const [name, breakIt, says] of BROKEN) {
  t.test(`the checker sees ${name}`, async (t) => {
    const what = firstViolation(breakIt)
    t.match(what ?? 'no violation', says)
  })
}
