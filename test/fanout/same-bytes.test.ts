import t from 'tap'
import { codecs } from '../../protocol/v1/codec.ts'
import type { TestClient } from '../client.ts'
import { BOTH, inEachVariant, newRoom, testServer } from '../server.ts'

/** What an encoder could write in more than one way. */
const PAYLOADS = [
  null,
  { b: 1, a: { d: [], c: {} }, 10: 'ten', 2: 'two', '': [[]] },
  { text: 'ñ 🐦 \u2028 " \\ / \n \u007f', ключ: 'x'.repeat(300) },
  [0, -1, 1.5, 1e21, 1e-7, 0.1, 127, 128, 255, 256, 65_536, 2 ** 32, -(2 ** 31), 2 ** 53 - 1, 5e-324],
  'x'.repeat(40_000),
  Array.from({ length: 70 }, (_, i) => i * i),
]

inEachVariant(t, BOTH, {}, async (t, server) => {
  const room = newRoom()
  const publisher = await server.connect({ sub: 'josé ñ' }, {}, 'json')
  const other = await server.connect({ sub: 'josé ñ' }, {}, 'msgpack')
  const start = await publisher.publish(room, 'start')
  const messagesOf = (client: TestClient) =>
    client.messages.filter((_, i) => client.frames[i]?.op === 'event')
  const live = await server.connect({}, { channels: [room] })
  for (const [i, payload] of PAYLOADS.entries()) {
    await (i % 2 === 0 ? publisher : other).publish(room, payload)
  }
  await live.eventCount(PAYLOADS.length)
  const sent = messagesOf(live)

  await t.test('an event is one message, the same for everybody', async (t) => {
    for (const [i, event] of live.events.entries()) {
      const { op: _, ...fields } = event
      const encoded = codecs[live.encoding].encodeEvent({
        ...fields,
        payload: JSON.stringify(event.payload),
      } as never)
      t.ok(sent[i]!.equals(Buffer.from(encoded)), `payload ${i}`)
    }
  })

  const cursor = { lastEventId: start.eventId, epoch: live.welcome.epoch, channels: [room] }

  await t.test('what is replayed from the window is what was live, byte for byte', async (t) => {
    const again = await server.open()
    await again.hello(await server.token(), cursor)
    await again.take('live')
    t.strictSame(messagesOf(again), sent)
  })

  await t.test('and after a sync', async (t) => {
    t.match(await live.request({ op: 'sync', lastEventId: start.eventId }), { op: 'ok' })
    await live.eventCount(PAYLOADS.length * 2)
    t.strictSame(messagesOf(live).slice(PAYLOADS.length), sent)
  })

  await t.test('and from Postgres, by another node that never saw it live', async (t) => {
    // A window that starts now.
    const node = await testServer(t, { WINDOW_BYTES: '0' }, { database: { url: server.databaseUrl } })
    const again = await node.open(live.encoding)
    await again.hello(await node.token(), cursor)
    await again.take('live')
    t.strictSame(messagesOf(again), sent)
  })

  await t.test('the payload in Postgres is the text in the JSON frame', async (t) => {
    const { rows } = await server.pool.query(
      'select payload from bitacora.events where channel = $1 order by id offset 1',
      [room],
    )
    const json = await server.open('json')
    await json.hello(await server.token(), cursor)
    await json.take('live')
    for (const [i, message] of messagesOf(json).entries()) {
      t.ok(message.toString().includes(`"payload":${rows[i].payload},"from"`), `payload ${i}`)
    }
  })
})
