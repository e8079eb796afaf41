import t from 'tap'
import { Reader } from '../reader.ts'
import { BOTH, inEachVariant, newRoom } from '../server.ts'

inEachVariant(t, BOTH, { WINDOW_BYTES: '30000' }, async (t, server) => {
  const publisher = await server.connect({ sub: 'eva' })
  const publish = (rooms: string[], count: number) =>
    Promise.all(Array.from({ length: count }, (_, i) => publisher.publish(rooms[i % rooms.length]!, i)))

  await t.test('ok, then everything after the id over all channels, then live', async (t) => {
    const rooms = [newRoom(), newRoom()]
    const client = await server.connect({}, { channels: rooms })
    await publish([...rooms, newRoom()], 300)
    await client.eventCount(200)
    const { id } = client.events[49]!
    const from = client.frames.length
    const ok = await client.request({ op: 'sync', lastEventId: id })
    t.strictSame(Object.keys(ok).sort(), ['id', 'op'])
    await client.until(() => client.frames.at(-1)?.op === 'live', 'live')
    t.strictSame(client.ops(from), ['ok', ...Array(150).fill('event'), 'live'])
    t.strictSame(client.events.slice(200), client.events.slice(50, 200))
    const [{ id: head }] = (await server.pool.query('select id from bitacora.head')).rows
    t.match(client.frames.at(-1), { pos: head })
  })

  await t.test('a sync with nothing to bring is ok and live', async (t) => {
    const client = await server.connect()
    const { eventId } = await publisher.publish(newRoom(), 1)
    const from = (await client.take('live')) && client.frames.length
    t.match(await client.request({ op: 'sync', lastEventId: eventId }), { op: 'ok' })
    t.equal((await client.take('live')).pos, eventId)
    t.strictSame(client.ops(from), ['ok', 'live'])
  })

  await t.test('the stream is rewound without a hole or a stray event while others publish', async (t) => {
    const rooms = [newRoom(), newRoom()]
    const reader = new Reader(server)
    await reader.connect(rooms)
    let going = true
    const publishing = (async () => {
      while (going) await publish(rooms, 10)
    })()
    await reader.client.eventCount(50)
    for (let i = 0; i < 12; i++) {
      reader.absorb()
      // The last one was near the present, the next is far from it.
      const back = i % 3 === 0 ? 0.1 : 0.9
      const { id } = reader.received[Math.floor(reader.received.length * back)]!
      t.match(await reader.client.request({ op: 'sync', lastEventId: id }), { op: 'ok' })
      if (i % 4 !== 0) await reader.settle()
    }
    going = false
    await publishing
    await reader.settle()
    const seqs = (
      await server.pool.query(
        'select channel, max(seq)::int as seq from bitacora.events where channel = any ($1) group by 1',
        [rooms],
      )
    ).rows
    for (const { channel, seq } of seqs) t.equal(reader.seqOf(channel), seq)
    const ops = reader.client.ops()
    const count = (op: string) => ops.filter((other) => other === op).length
    t.equal(count('live'), 13, 'one for welcome, one for each sync')
  })

  await t.test('a connection that breaks in the middle of a sync resumes', async (t) => {
    const room = newRoom()
    const reader = new Reader(server)
    await reader.connect([room])
    await publish([room], 1_000)
    await reader.settle()
    const { id } = reader.received[10]!
    void reader.client.request({ op: 'sync', lastEventId: id }).catch(() => {})
    await reader.client.until(() => reader.client.events.length > 1_010, 'the replay')
    reader.drop()
    await publish([room], 10)
    await reader.connect()
    await reader.settle()
    t.equal(reader.received.length, 1_010)
  })
})
