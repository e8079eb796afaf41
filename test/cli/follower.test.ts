import t from 'tap'
import type { ClientFrame, EventFrame, ServerFrame } from '../../protocol/v1/frames.ts'
import { Failure } from '../../src/cli/failure.ts'
import { Follower, Interrupted } from '../../src/cli/follower.ts'

const CHANNEL = 'room:lobby'

const event = (id: number, channel = CHANNEL): EventFrame => ({
  op: 'event',
  id,
  channel,
  seq: id,
  type: 'tick',
  payload: id,
  from: 'ana',
  ts: 1,
})
const stored = (id: number) => {
  const { op: _, ...fields } = event(id)
  return fields
}

function welcome(
  pos: number,
  resume: 'fresh' | 'resumed' | 'refresh',
  epoch = 'e1',
  refused = {},
): ServerFrame {
  const frame = { op: 'welcome', epoch, pos, resume, refused: [], channels: [], ...refused }
  return frame as unknown as ServerFrame
}
const live = (pos: number): ServerFrame => ({ op: 'live', pos })
const history = (id: number, ids: number[], more: boolean): ServerFrame =>
  ({ op: 'ok', id, events: ids.map(stored), more }) as ServerFrame

function following(after?: number) {
  const shown: number[] = []
  const notices: string[] = []
  const sent: ClientFrame[] = []
  const follower = new Follower(CHANNEL, after, {
    event: ({ id }) => void shown.push(id),
    notice: (text) => void notices.push(text),
  })
  const receive = (...frames: ServerFrame[]) => {
    for (const frame of frames) follower.receive(frame, (answer) => sent.push(answer))
  }
  return { follower, receive, shown, notices, sent }
}

t.test('without --after it begins with what comes now', async (t) => {
  const { follower, receive, shown, sent } = following()
  t.match(follower.hello('t'), { op: 'hello', token: 't', channels: [CHANNEL], lastEventId: undefined })
  receive(welcome(10, 'fresh'), live(10), event(11), event(12, 'user:ana'), event(13))
  t.strictSame(shown, [11, 13])
  t.strictSame(sent, [])
})

t.test('it resumes behind the last id it has seen, of whatever channel, or heard of in a ping', async (t) => {
  const { follower, receive, shown } = following()
  receive(welcome(10, 'fresh'), live(10), event(11), event(12, 'user:ana'))
  follower.disconnected()
  t.match(follower.hello('t'), { lastEventId: 12, epoch: 'e1' })
  receive(welcome(14, 'resumed'), event(13), event(14), live(14), { op: 'ping', pos: 20, ts: 1 })
  t.strictSame(shown, [11, 13, 14])
  follower.disconnected()
  t.match(follower.hello('t'), { lastEventId: 20 })
})

t.test('a connection that ended before live has no cursor, and leaves no hole', async (t) => {
  const { follower, receive, shown, sent } = following()
  receive(welcome(10, 'fresh'))
  follower.disconnected()
  t.equal(follower.hello('t').lastEventId, undefined)
  receive(welcome(12, 'fresh'), live(12))
  t.match(sent, [{ op: 'history', channel: CHANNEL, after: 10 }])
  receive(history(1, [11, 12], false), event(13))
  t.strictSame(shown, [11, 12, 13])
})

t.test('--after reads the history page by page, then goes on live without hole or repeat', async (t) => {
  const { receive, shown, sent } = following(3)
  receive(welcome(10, 'fresh'), live(10))
  t.match(sent, [{ op: 'history', after: 3, id: 1 }])
  // Live events come between; those before a request are in its reply.
  receive(event(11), history(1, [4, 6], true))
  t.match(sent[1], { op: 'history', after: 6, id: 2 })
  receive(event(12), history(2, [8, 11, 12], false), event(13))
  t.strictSame(shown, [4, 6, 8, 11, 12, 13])
})

t.test('a live event that the last page was too early for is shown behind it', async (t) => {
  const { receive, shown } = following(0)
  receive(welcome(2, 'fresh'), live(2), event(3), history(1, [1, 2], false), event(4))
  t.strictSame(shown, [1, 2, 3, 4])
})

t.test('a connection that ends amid the history is taken up where that was', async (t) => {
  const { follower, receive, shown, sent } = following(0)
  receive(welcome(5, 'fresh'), live(5), history(1, [1, 2], true), event(6))
  follower.disconnected()
  t.equal(follower.hello('t').lastEventId, undefined, 'a resume would leave out 3 to 5')
  receive(welcome(6, 'fresh'), live(6))
  t.match(sent.at(-1), { op: 'history', after: 2, id: 3 })
  receive(history(3, [3, 4, 5, 6], false))
  t.strictSame(shown, [1, 2, 3, 4, 5, 6])
})

t.test('a refresh is made up for by history', async (t) => {
  const { follower, receive, shown, sent } = following()
  receive(welcome(10, 'fresh'), live(10), event(11))
  follower.disconnected()
  receive(welcome(90, 'refresh'), { op: 'refresh', reason: 'gap_too_large', epoch: 'e1', pos: 90 })
  t.match(sent, [{ op: 'history', after: 11 }])
  receive(history(1, [40, 90], false), event(91))
  t.strictSame(shown, [11, 40, 90, 91])
})

t.test('another epoch is said, and what comes from then on is shown, lower ids too', async (t) => {
  const { follower, receive, shown, notices, sent } = following()
  receive(welcome(100, 'fresh'), live(100), event(101))
  follower.disconnected()
  receive(
    welcome(40, 'refresh', 'e2'),
    { op: 'refresh', reason: 'epoch_changed', epoch: 'e2', pos: 40 },
    event(41),
  )
  t.strictSame(shown, [101, 41])
  t.ok(notices.some((text) => text.includes('another one')))
  t.strictSame(sent, [])
  follower.disconnected()
  t.match(follower.hello('t'), { lastEventId: 41, epoch: 'e2' })
})

t.test('a ping is answered', async (t) => {
  const { receive, sent } = following()
  receive(welcome(1, 'fresh'), live(1), { op: 'ping', pos: 1, ts: 1 })
  t.strictSame(sent, [{ op: 'pong' }])
})

t.test('a channel that is refused, or lost, is the end', async (t) => {
  const { receive } = following()
  const refused = { refused: [{ channel: CHANNEL, code: 'FORBIDDEN' }] }
  t.throws(
    () => receive(welcome(1, 'fresh', 'e1', refused)),
    new Failure(`FORBIDDEN: ${CHANNEL} cannot be followed`),
  )
  receive(welcome(1, 'fresh'), { op: 'unsubscribed', channel: 'room:other', seq: 1, reason: 'left' })
  const lost: ServerFrame = { op: 'unsubscribed', channel: CHANNEL, seq: 1, reason: 'rights changed' }
  t.throws(() => receive(lost), /rights changed/)
})

t.test('a history that is refused for now interrupts, one that is refused for good ends', async (t) => {
  const { receive } = following(0)
  receive(welcome(5, 'fresh'), live(5))
  receive({ op: 'error', id: 99, code: 'INTERNAL', message: 'of somebody else', retry: true })
  const details = { limit: 100, windowMs: 60_000, resetAt: Date.now() + 5000 }
  const later: ServerFrame = {
    op: 'error',
    id: 1,
    code: 'RATE_LIMITED',
    message: 'too many',
    retry: true,
    details,
  }
  t.throws(() => receive(later), Interrupted)
  t.throws(() => receive({ op: 'error', id: 1, code: 'FORBIDDEN', message: 'no', retry: false }), Failure)
})
