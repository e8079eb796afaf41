import t from 'tap'
import type { TestClient } from '../client.ts'
import { BOTH, inEachVariant, newRoom, testServer } from '../server.ts'

const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i)
const seqs = (events: readonly { seq: number }[]) => events.map(({ seq }) => seq)

/** Publishes to the room until it is told to stop; then says how many events there were. */
function publishing(client: TestClient, room: string): () => Promise<number> {
  let stopped = false
  let count = 0
  const run = (async () => {
    while (!stopped) await Promise.all(range(1, 5).map(() => client.publish(room, ++count)))
  })()
  return async () => {
    stopped = true
    await run
    return count
  }
}

inEachVariant(t, BOTH, {}, async (t, server) => {
  const publisher = await server.connect({ sub: 'eva' })

  await t.test('the live stream starts behind the seq of the reply', async (t) => {
    const room = newRoom()
    for (let i = 1; i <= 3; i++) await publisher.publish(room, i)
    const client = await server.connect()
    const reply = await client.request({ op: 'subscribe', channel: room })
    const [{ id: head }] = (await server.pool.query('select id from bitacora.head')).rows
    t.match(reply, { op: 'ok', channel: room, seq: 3, pos: head })
    t.notOk('events' in reply || 'complete' in reply)
    await publisher.publish(room, 4)
    await client.eventCount(1)
    t.strictSame(seqs(client.events), [4])
  })

  await t.test('a channel without events starts at 0', async (t) => {
    const client = await server.connect()
    const room = newRoom()
    t.match(await client.request({ op: 'subscribe', channel: room, last: 5 }), {
      seq: 0,
      events: [],
      complete: true,
    })
  })

  await t.test('the last events are in the reply, as they are in the log', async (t) => {
    const room = newRoom()
    for (let i = 1; i <= 5; i++) await publisher.publish(room, { i })
    const listener = await server.connect()
    const last = async (count: number) =>
      await listener.request({ op: 'subscribe', channel: room, last: count })
    const reply = await last(3)
    t.match(reply, { seq: 5, complete: true })
    t.strictSame(seqs(reply.events), [3, 4, 5])
    const history = await listener.request({ op: 'history', channel: room, limit: 3 })
    t.strictSame(reply.events, history.events)
    t.strictSame(seqs((await last(100)).events), range(1, 5))
    t.match(await last(100), { complete: true })
    t.match(await last(0), { events: [], complete: true })
    await listener.settle()
    t.equal(listener.events.length, 0, 'events in a reply are no event frames')
  })

  await t.test(
    'no hole and no duplicate between the reply and the stream, while others publish',
    async (t) => {
      const room = newRoom()
      const stop = publishing(publisher, room)
      const clients = await Promise.all(range(1, 12).map(() => server.connect()))
      const replies = await Promise.all(
        clients.map(async (client, i) => {
          for (let j = 0; j < i; j++) await client.settle() // not all at the same moment
          return await client.request({ op: 'subscribe', channel: room, ...(i % 3 > 0 && { last: i * 7 }) })
        }),
      )
      await publisher.settle()
      const count = await stop()
      for (const [i, client] of clients.entries()) {
        const reply = replies[i]!
        await client.settle()
        t.strictSame(seqs(client.events), range(reply.seq + 1, count))
        const place = client.frames.indexOf(reply as never)
        t.ok(
          client.frames.slice(0, place).every(({ op }) => op !== 'event'),
          'no event before the ok',
        )
        t.ok(client.events.every(({ id }) => id > reply.pos))
        if (i % 3 === 0) continue
        t.strictSame(seqs(reply.events), range(Math.max(1, reply.seq - i * 7 + 1), reply.seq))
        t.equal(reply.complete, true)
      }
    },
  )

  await t.test('subscribing again answers with the present seq and changes nothing', async (t) => {
    const room = newRoom()
    const client = await server.connect({}, { channels: [room] })
    await publisher.publish(room, 1)
    t.match(await client.request({ op: 'subscribe', channel: room }), { op: 'ok', seq: 1 })
    t.match(await client.request({ op: 'subscribe', channel: room, last: 1 }), {
      seq: 1,
      events: [{ seq: 1 }],
    })
    await publisher.publish(room, 2)
    await client.settle()
    t.strictSame(seqs(client.events), [1, 2])
    await client.request({ op: 'unsubscribe', channel: room })
    await publisher.publish(room, 3)
    await client.settle()
    t.strictSame(seqs(client.events), [1, 2])
  })

  await t.test('after the ok of unsubscribe comes no event of the channel', async (t) => {
    const [room, other] = [newRoom(), newRoom()]
    const client = await server.connect({}, { channels: [room, other] })
    const stop = publishing(publisher, room)
    await client.eventCount(10)
    const ok = await client.request({ op: 'unsubscribe', channel: room })
    t.match(ok, { op: 'ok' })
    const count = await stop()
    await publisher.publish(other, 'last')
    await client.event('last')
    const place = client.frames.indexOf(ok as never)
    t.ok(client.frames.slice(place).every((frame) => frame.op !== 'event' || frame.channel !== room))
    const before = client.events.filter(({ channel }) => channel === room)
    t.strictSame(seqs(before), range(1, before.length))

    // And back in: from where the channel stands now.
    t.match(await client.request({ op: 'subscribe', channel: room }), { seq: count })
    await publisher.publish(room, 'again')
    t.match(await client.event('again'), { seq: count + 1 })
  })

  await t.test('without an id they are done, and not answered', async (t) => {
    const [room, other] = [newRoom(), newRoom()]
    const client = await server.connect({}, { channels: [other] })
    await client.take('live')
    client.send({ op: 'subscribe', channel: room })
    client.send({ op: 'unsubscribe', channel: other })
    client.send({ op: 'sync', lastEventId: client.welcome.pos })
    client.send({ op: 'auth', token: await server.token() })
    client.send({ op: 'history', channel: room })
    await client.take('live')
    await publisher.publish(other, 1)
    await publisher.publish(room, 1)
    await client.event(1)
    await client.settle()
    t.strictSame(client.ops(), ['welcome', 'live', 'live', 'event', 'pong'])
    t.equal(client.events[0]?.channel, room)
  })

  await t.test('changes are made in the order in which they were asked for', async (t) => {
    const room = newRoom()
    const client = await server.connect()
    for (let i = 0; i < 21; i++) {
      client.send({ op: i % 2 === 0 ? 'subscribe' : 'unsubscribe', id: 1_000 + i, channel: room })
    }
    await client.find((frame) => frame.op === 'ok' && frame.id === 1_020)
    await publisher.publish(room, 1)
    await client.eventCount(1)
    t.strictSame(
      client.frames.flatMap((frame) => (frame.op === 'ok' && frame.id >= 1_000 ? [frame.id] : [])),
      range(1_000, 1_020),
    )
  })

  await t.test('more changes than may wait are refused by name; those that wait are made', async (t) => {
    const client = await server.connect()
    for (let id = 1; id <= 300; id++) client.send({ op: 'subscribe', id, channel: `room:many${id % 3}` })
    const isReply = ({ op }: { op: string }) => op === 'ok' || op === 'error'
    await client.until(() => client.frames.filter(isReply).length === 300, '300 replies')
    for (const frame of client.frames.filter(({ op }) => op === 'error')) {
      t.match(frame, { code: 'OVERLOADED', retry: true })
    }
    t.match(await client.request({ op: 'subscribe', channel: 'room:many1' }), { op: 'ok' })
  })
})

inEachVariant(t, BOTH, { WINDOW_BYTES: '0', SEND_BUFFER_BYTES: '131072' }, async (t, server) => {
  const publisher = await server.connect({ sub: 'eva' })

  await t.test('no hole and no duplicate where the last events are only in Postgres', async (t) => {
    const room = newRoom()
    const stop = publishing(publisher, room)
    const clients = await Promise.all(range(1, 6).map(() => server.connect()))
    for (const client of clients) {
      const reply = await client.request({ op: 'subscribe', channel: room, last: 10 })
      t.strictSame(seqs(reply.events), range(Math.max(1, reply.seq - 9), reply.seq))
      await client.eventCount(5)
      t.strictSame(seqs(client.events.slice(0, 5)), range(reply.seq + 1, reply.seq + 5))
    }
    await stop()
  })

  await t.test(
    'a reply that would become too long has the latest events, and history the rest',
    async (t) => {
      const room = newRoom()
      for (let i = 1; i <= 10; i++) await publisher.publish(room, 'x'.repeat(20_000))
      const client = await server.connect()
      const reply = await client.request({ op: 'subscribe', channel: room, last: 8 })
      t.equal(reply.complete, false)
      t.strictSame(seqs(reply.events), [8, 9, 10])
      const before = reply.events[0].id
      const history = await client.request({ op: 'history', channel: room, before })
      t.strictSame(seqs(history.events), [5, 6, 7])
      t.equal(history.more, true)
    },
  )

  await t.test('a reply holds no more events than the namespace allows', async (t) => {
    const service = await server.connect({ role: 'service' })
    await Promise.all(range(1, 210).map((i) => service.publish('app:main', i)))
    const reply = await service.request({ op: 'subscribe', channel: 'app:main', last: 205 })
    t.strictSame(seqs(reply.events), range(11, 210))
    t.equal(reply.complete, false)
  })
})

t.test('who may not subscribe is told so, and nothing reaches him', async (t) => {
  const server = await testServer(t)
  const publisher = await server.connect({ role: 'service' })
  const client = await server.connect({ shopId: 's_1', modules: ['orders'] })
  const channels = {
    FORBIDDEN: [
      'user:eva',
      'shop:s_2',
      'shop:s_1/chat',
      'workspace:w',
      'dm:eva~luis',
      'conversation:c',
      'agent:w',
    ],
    INVALID_CHANNEL: ['room:a b', 'room:ä', 'Room:a', 'dm:z~a', 'room:a/orders'],
  }
  for (const [code, names] of Object.entries(channels)) {
    for (const channel of names) {
      const refused = { op: 'error', code, retry: false }
      t.match(await client.request({ op: 'subscribe', channel }), refused, `subscribe ${channel}`)
      t.match(await client.request({ op: 'history', channel }), refused, `history ${channel}`)
    }
  }
  t.match(await client.request({ op: 'subscribe', channel: 'nosuch:x' }), { code: 'FORBIDDEN' })
  for (const channel of channels.FORBIDDEN) await publisher.publish(channel, 1)
  await client.settle()
  t.equal(client.events.length, 0)
})

t.test('a channel takes as many users as it may have', async (t) => {
  const server = await testServer(t, { MAX_USERS_PER_CHANNEL: '3' })
  const clients = await Promise.all(range(1, 8).map((i) => server.connect({ sub: `u${i}` })))

  await t.test('also when they come at the same moment', async (t) => {
    const replies = await Promise.all(
      clients.map((client) => client.request({ op: 'subscribe', channel: 'room:small' })),
    )
    t.equal(replies.filter(({ op }) => op === 'ok').length, 3)
    for (const reply of replies.filter(({ op }) => op === 'error')) {
      t.match(reply, { code: 'CHANNEL_FULL', retry: false })
    }
  })

  await t.test('a place that is left is free again', async (t) => {
    const [inside, outside] = await Promise.all(
      clients.slice(0, 2).map(() => server.connect({}, { channels: ['room:other'] })),
    )
    await server.connect({}, { channels: ['room:other'] })
    const late = clients[0]!
    t.match(await late.request({ op: 'subscribe', channel: 'room:other' }), { code: 'CHANNEL_FULL' })
    const refused = await server.open()
    t.match(await refused.hello(await server.token(), { channels: ['room:other'] }), {
      refused: [{ channel: 'room:other', code: 'CHANNEL_FULL' }],
    })
    await inside!.request({ op: 'unsubscribe', channel: 'room:other' })
    t.match(await late.request({ op: 'subscribe', channel: 'room:other' }), { op: 'ok' })
    await outside!.close()
    const next = clients[1]!
    t.match(await next.request({ op: 'subscribe', channel: 'room:other' }), { op: 'ok' })
    t.match(await next.request({ op: 'subscribe', channel: 'room:other' }), { op: 'ok' }, 'who is in is in')
  })

  await t.test('sessions that say hello at the same moment do not exceed it either', async (t) => {
    const welcomes = await Promise.all(
      range(1, 8).map(async () => {
        const client = await server.open()
        return await client.hello(await server.token(), { channels: ['room:rush'] })
      }),
    )
    t.equal(welcomes.filter(({ refused }) => refused.length === 0).length, 3)
  })

  await t.test('scopes and personal channels are not limited', async (t) => {
    for (const client of clients) {
      t.match(await client.request({ op: 'subscribe', channel: 'app:news' }), { op: 'ok' })
    }
  })
})
