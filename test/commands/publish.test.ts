import t from 'tap'
import { BOTH, inEachVariant, newRoom, testServer } from '../server.ts'

inEachVariant(t, BOTH, {}, async (t, server) => {
  const rows = async (channel: string) =>
    (await server.pool.query('select * from bitacora.events where channel = $1 order by id', [channel])).rows

  await t.test('the acknowledgement comes after the commit, and tells where the event is', async (t) => {
    const room = newRoom()
    const client = await server.connect()
    for (let i = 1; i <= 20; i++) {
      const payload = { n: i, text: 'año' }
      const ok = await client.publish(room, payload, { messageId: `m ${i}` })
      const row = (await rows(room)).at(-1)
      t.match(ok, { op: 'ok', channel: room, eventId: row.id, seq: i, messageId: `m ${i}` })
      t.notOk('duplicate' in ok || 'events' in ok)
      t.match(row, {
        seq: i,
        type: 'note',
        sender: 'ana',
        message_id: `m ${i}`,
        payload: JSON.stringify(payload),
      })
      t.equal(ok.ts, row.created_at.getTime())
    }
  })

  await t.test('a subscriber gets the event as it was acknowledged, the publisher too', async (t) => {
    const room = newRoom()
    const other = await server.connect({ sub: 'eva' }, { channels: [room] })
    const client = await server.connect({}, { channels: [room] })
    const payload = { text: 'hi', list: [1, -2, 3.5, null, true, { deep: '\u{1F600}' }], '': 0 }
    const { op: _, id: __, eventId, ...ok } = await client.publish(room, payload)
    for (const receiver of [other, client]) {
      const event = await receiver.take('event')
      t.strictSame(event, { op: 'event', id: eventId, ...ok, type: 'note', payload, from: 'ana' })
    }
  })

  await t.test('any value is a payload', async (t) => {
    const room = newRoom()
    const client = await server.connect({}, { channels: [room] })
    const payloads = [
      null,
      false,
      0,
      -0.5,
      2 ** 53 - 1,
      1e300,
      '',
      'x'.repeat(40_000),
      [],
      {},
      [[]],
      { a: {} },
    ]
    for (const payload of payloads) t.match(await client.publish(room, payload), { op: 'ok' })
    await client.eventCount(payloads.length)
    t.strictSame(
      client.events.map((event) => event.payload),
      payloads,
    )
  })

  await t.test('events of one connection keep the order in which they were sent', async (t) => {
    const room = newRoom()
    const client = await server.connect({}, { channels: [room] })
    const acks = await Promise.all(Array.from({ length: 500 }, (_, i) => client.publish(room, i)))
    await client.eventCount(500)
    t.strictSame(
      client.events.map(({ payload }) => payload),
      Array.from({ length: 500 }, (_, i) => i),
    )
    t.strictSame(
      acks.map(({ seq }) => seq),
      Array.from({ length: 500 }, (_, i) => i + 1),
    )
  })

  await t.test('what was acknowledged before has the smaller id, whoever publishes', async (t) => {
    const clients = [await server.connect(), await server.connect({ sub: 'eva' })]
    const rooms = [newRoom(), newRoom()]
    let last = 0
    for (let i = 0; i < 20; i++) {
      const { eventId } = await clients[i % 2]!.publish(rooms[i % 2]!, i)
      t.ok(eventId > last)
      last = eventId
    }
  })

  await t.test('the server makes a messageId where there is none', async (t) => {
    const client = await server.connect()
    const room = newRoom()
    const [one, other] = [await client.publish(room, 1), await client.publish(room, 1)]
    t.match(one.messageId, /^[ -~]{1,128}$/)
    t.not(one.messageId, other.messageId)
    t.not(one.eventId, other.eventId)
    t.match(await client.publish(room, 1, { messageId: one.messageId }), {
      eventId: one.eventId,
      duplicate: true,
    })
  })

  await t.test('without an id there is no ok; an error comes all the same', async (t) => {
    const room = newRoom()
    const client = await server.connect({}, { channels: [room] })
    await client.take('live')
    const from = client.frames.length
    client.send({ op: 'publish', channel: room, type: 'note', payload: 1 })
    await client.eventCount(1)
    client.send({ op: 'publish', channel: 'user:eva', type: 'note', payload: 1 })
    t.match(await client.take('error'), { code: 'FORBIDDEN' })
    await client.settle()
    t.strictSame(client.ops(from), ['event', 'error', 'pong'])
    t.notOk('id' in client.frames[from + 1]!)
  })

  await t.test('what may not be published is refused by name and leaves no trace', async (t) => {
    const client = await server.connect({ shopId: 's_1' })
    const [{ id: head }] = (await server.pool.query('select id from bitacora.head')).rows
    const publish = (fields: object) =>
      client.request({ op: 'publish', channel: 'room:x', type: 'note', payload: 1, ...fields })
    const refused: [object, object][] = [
      [{ channel: 'user:eva' }, { code: 'FORBIDDEN', retry: false }],
      [{ channel: 'user:ana' }, { code: 'FORBIDDEN' }],
      [{ channel: 'shop:s_1' }, { code: 'FORBIDDEN' }],
      [{ channel: 'app:main' }, { code: 'FORBIDDEN' }],
      [{ channel: 'nosuch:x' }, { code: 'FORBIDDEN' }],
      [{ channel: 'conversation:c' }, { code: 'FORBIDDEN' }],
      [{ channel: 'dm:eva~luis' }, { code: 'FORBIDDEN' }],
      [{ channel: 'dm:luis~ana' }, { code: 'INVALID_CHANNEL' }],
      [{ channel: 'room:%61' }, { code: 'INVALID_CHANNEL' }],
      [{ channel: 'room' }, { code: 'INVALID_CHANNEL' }],
      [{ channel: 7 }, { code: 'BAD_FRAME', details: { path: '/channel' } }],
      [{ type: 'Note' }, { code: 'BAD_FRAME', details: { path: '/type' } }],
      [{ type: `a${'b'.repeat(64)}` }, { code: 'BAD_FRAME', details: { path: '/type' } }],
      [{ messageId: '' }, { code: 'BAD_FRAME', details: { path: '/messageId' } }],
      [{ messageId: 'ñ' }, { code: 'BAD_FRAME', details: { path: '/messageId' } }],
      [{ messageId: 'x'.repeat(129) }, { code: 'BAD_FRAME', details: { path: '/messageId' } }],
      [{ payload: undefined }, { code: 'INVALID_PAYLOAD', details: { path: '/payload' } }],
      [{ payload: { a: ['x\0'] } }, { code: 'INVALID_PAYLOAD', details: { path: '/payload/a/0' } }],
      [{ payload: { 'k\0': 1 } }, { code: 'INVALID_PAYLOAD' }],
    ]
    for (const [fields, expected] of refused) {
      t.match(await publish(fields), { op: 'error', ...expected }, JSON.stringify(fields))
    }
    t.equal((await server.pool.query('select id from bitacora.head')).rows[0].id, head)
  })

  await t.test('every role and right publishes where the table says', async (t) => {
    const as = async (claims: object, channel: string) =>
      (await (await server.connect(claims)).publish(channel, 1)).op
    t.equal(await as({ role: 'service' }, 'user:ana'), 'ok')
    t.equal(await as({ role: 'admin' }, 'shop:s_1'), 'ok')
    t.equal(await as({ role: 'service' }, 'conversation:c'), 'ok')
    t.equal(await as({ role: 'service' }, 'nosuch:c'), 'error')
    t.equal(await as({ role: 'agent' }, 'room:a'), 'ok')
    t.equal(await as({}, 'dm:ana~luis'), 'ok')
    t.equal(await as({ channels: [{ channel: 'app:main', may: ['publish'] }] }, 'app:main'), 'ok')
    t.equal(await as({ channels: ['app:main'] }, 'app:main'), 'error')
  })
})

t.test('UNKNOWN_TYPES=refuse takes the types of the catalogue only', async (t) => {
  const server = await testServer(t, { UNKNOWN_TYPES: 'refuse' })
  const client = await server.connect({}, { channels: ['room:x'] })
  t.match(await client.publish('room:x', 1, { type: 'note' }), { code: 'UNKNOWN_TYPE', retry: false })
  t.match(await client.publish('room:x', 1, { type: 'constructor' }), { code: 'UNKNOWN_TYPE' })
  t.match(await client.request({ op: 'signal', channel: 'room:x', type: 'note' }), { code: 'UNKNOWN_TYPE' })
  t.match(await client.publish('room:x', 1, { type: 'message:new' }), { op: 'ok', seq: 1 })
})
