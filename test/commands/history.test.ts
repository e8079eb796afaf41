import t from 'tap'
import { BOTH, inEachVariant, newRoom, testServer } from '../server.ts'

const seqs = (events: readonly { seq: number }[]) => events.map(({ seq }) => seq)
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i)

inEachVariant(t, BOTH, {}, async (t, server) => {
  const room = newRoom()
  const other = newRoom()
  const publisher = await server.connect({ sub: 'eva' })
  /** The ids of the room's events by seq; between them are events of another channel. */
  const ids = [0]
  for (let seq = 1; seq <= 60; seq++) {
    const [ok] = await Promise.all([
      publisher.publish(room, { seq }, { messageId: `${room} ${seq}` }),
      publisher.publish(other, seq),
    ])
    ids.push(ok.eventId)
  }
  const client = await server.connect()
  const history = async (fields: object) => {
    const { events, more } = await client.request({ op: 'history', channel: room, ...fields })
    return { seqs: seqs(events), more }
  }

  await t.test('without bounds it is the last fifty', async (t) => {
    t.strictSame(await history({}), { seqs: range(11, 60), more: true })
  })

  await t.test('the events are those of the log, without an op', async (t) => {
    const { events } = await client.request({ op: 'history', channel: room, limit: 1 })
    const [row] = (await server.pool.query('select * from bitacora.events where id = $1', [ids[60]])).rows
    t.strictSame(events, [
      {
        id: ids[60],
        channel: room,
        seq: 60,
        type: 'note',
        payload: { seq: 60 },
        from: 'eva',
        messageId: `${room} 60`,
        ts: row.created_at.getTime(),
      },
    ])
  })

  await t.test('before and after bound it, and are not part of it', async (t) => {
    t.strictSame(await history({ before: ids[10] }), { seqs: range(1, 9), more: false })
    t.strictSame(await history({ before: ids[10], limit: 3 }), { seqs: [7, 8, 9], more: true })
    t.strictSame(await history({ before: ids[10], limit: 9 }), { seqs: range(1, 9), more: false })
    t.strictSame(await history({ after: ids[50] }), { seqs: range(51, 60), more: false })
    t.strictSame(await history({ after: ids[50], limit: 3 }), { seqs: [51, 52, 53], more: true })
    t.strictSame(await history({ after: ids[20], before: ids[30] }), { seqs: range(21, 29), more: false })
    t.strictSame(await history({ after: ids[20], before: ids[30], limit: 2 }), { seqs: [21, 22], more: true })
    t.strictSame(await history({ after: 0, limit: 2 }), { seqs: [1, 2], more: true })
    t.strictSame(await history({ after: ids[60] }), { seqs: [], more: false })
    t.strictSame(await history({ before: ids[1] }), { seqs: [], more: false })
    t.strictSame(await history({ before: 0 }), { seqs: [], more: false })
    t.strictSame(await history({ limit: 0 }), { seqs: [], more: true })
  })

  await t.test('reading on by the last id, or back by the first one, brings everything once', async (t) => {
    for (const forward of [true, false]) {
      const read: number[][] = []
      for (let bound = forward ? 0 : Number.MAX_SAFE_INTEGER; ; ) {
        const fields = forward ? { after: bound } : { before: bound }
        const { events, more } = await client.request({ op: 'history', channel: room, limit: 7, ...fields })
        read.push(seqs(events))
        if (!more) break
        bound = forward ? events.at(-1).id : events[0].id
      }
      t.strictSame((forward ? read : read.reverse()).flat(), range(1, 60))
    }
  })

  await t.test('a channel without events has no history', async (t) => {
    t.match(await client.request({ op: 'history', channel: 'room:silent' }), { events: [], more: false })
  })

  await t.test('it neither subscribes nor moves the stream', async (t) => {
    await publisher.publish(room, 'live')
    await client.settle()
    t.equal(client.events.length, 0)
  })

  await t.test('a field of the wrong form is named', async (t) => {
    for (const fields of [{ limit: -1 }, { before: 'x' }, { after: 1.5 }, { after: 2 ** 53 }]) {
      const [name] = Object.keys(fields)
      const reply = await client.request({ op: 'history', channel: room, ...fields })
      t.match(reply, { op: 'error', code: 'BAD_FRAME', details: { path: `/${name}` } })
    }
  })
})

t.test('a reply has a bound in bytes, and at least one event', async (t) => {
  const server = await testServer(t, { SEND_BUFFER_BYTES: '131072' })
  const client = await server.connect()
  for (let seq = 1; seq <= 8; seq++) await client.publish('room:x', 'x'.repeat(seq === 4 ? 65_000 : 20_000))
  const read = async (fields: object) => {
    const { events, more } = await client.request({ op: 'history', channel: 'room:x', ...fields })
    return { seqs: seqs(events), more }
  }
  t.strictSame(await read({ after: 0 }), { seqs: [1, 2, 3], more: true })
  const { events } = await client.request({ op: 'history', channel: 'room:x', after: 0, limit: 4 })
  t.strictSame(await read({ after: events[2].id }), { seqs: [4], more: true })
  t.strictSame(await read({}), { seqs: [6, 7, 8], more: true })
  const [four] = (await client.request({ op: 'history', channel: 'room:x', after: events[2].id })).events
  t.strictSame(await read({ before: four.id + 1 }), { seqs: [4], more: true })
})

t.test('a namespace has its own maximum', async (t) => {
  const server = await testServer(t)
  const service = await server.connect({ role: 'service' })
  await Promise.all(range(1, 210).map((i) => service.publish('app:news', i)))
  const client = await server.connect()
  const { events, more } = await client.request({ op: 'history', channel: 'app:news', limit: 1_000 })
  t.strictSame({ seqs: seqs(events), more }, { seqs: range(11, 210), more: true })
})
