import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { TestClient } from '../client.ts'
import { Reader } from '../reader.ts'
import { BOTH, inEachVariant, newRoom, testServer } from '../server.ts'

const INTERVAL_MS = 400
const HEARTBEAT = { HEARTBEAT_MS: String(INTERVAL_MS), HEARTBEAT_TIMEOUT_MS: '200' }

inEachVariant(
  t,
  BOTH,
  HEARTBEAT,
  async (t, server) => {
    /** A client whose library does not answer for it. */
    const connect = async (sub: string) => {
      const client = await TestClient.open(server.url, undefined, { autoPong: false })
      await client.hello(await server.token({ sub }))
      return client
    }

    await t.test('who gives no sign of life after a ping is closed; who gives one is not', async (t) => {
      const started = Date.now()
      const silent = await connect('silent')
      const signs: Record<string, (client: TestClient) => void> = {
        pong: (client) => client.send({ op: 'pong' }),
        'any other frame': (client) => client.send({ op: 'nonsense' }),
        'a ping of WebSocket': (client) => client.socket.ping(),
        'a pong of WebSocket': (client) => client.socket.pong(),
      }
      const alive = await Promise.all(
        Object.entries(signs).map(async ([sign, give]) => {
          const client = await connect('alive')
          client.socket.on('message', () => client.frames.at(-1)?.op === 'ping' && give(client))
          return { sign, client }
        }),
      )
      t.equal(await silent.closed, 4510)
      t.ok(Date.now() - started > 200, 'it had the time to answer')
      t.strictSame(silent.ops().slice(0, 3), ['welcome', 'live', 'ping'])
      t.match(silent.frames.at(-1), { op: 'bye', code: 4510, reconnect: true })
      // As in wscat, whose library answers the pings of WebSocket for its user.
      alive.push({ sign: 'an answer of the library', client: await server.connect() })
      await Promise.all(
        alive.map(async ({ sign, client }) => {
          const pings = () => client.ops().filter((op) => op === 'ping').length
          const before = pings()
          await client.until(() => pings() >= before + 3, `three more pings of the one with ${sign}`)
          client.socket.terminate()
        }),
      )
    })

    await t.test('the watermark follows the log where the channels are silent', async (t) => {
      const publisher = await server.connect({ sub: 'eva' })
      const client = await server.connect()
      const { eventId } = await publisher.publish(newRoom(), 1)
      const ping = await client.find((frame) => frame.op === 'ping' && frame.pos >= eventId)
      t.match(ping, { pos: eventId })
      const { epoch } = client.welcome
      const again = await server.open()
      t.match(await again.hello(await server.token(), { lastEventId: eventId, epoch }), { resume: 'resumed' })
      t.equal((await again.take('live')).pos, eventId)
    })

    await t.test('the watermark is true while events pass', async () => {
      const room = newRoom()
      const publisher = await server.connect({ sub: 'eva' })
      const readers = [new Reader(server), new Reader(server), new Reader(server)]
      for (const reader of readers) await reader.connect([room])
      const pings = () => readers.map(({ client }) => client.ops().filter((op) => op === 'ping').length)
      while (Math.min(...pings()) < 3) {
        await Promise.all(Array.from({ length: 10 }, (_, i) => publisher.publish(room, i)))
        for (const reader of readers) reader.absorb()
      }
      for (const reader of readers) await reader.settle()
    })
  },
  { atOnce: true },
)

inEachVariant(
  t,
  BOTH,
  { HEARTBEAT_MS: '100', HEARTBEAT_TIMEOUT_MS: '100', SEND_BUFFER_BYTES: '131072' },
  async (t, server) => {
    await t.test('during a replay the watermark is the last id replayed', async (t) => {
      const room = newRoom()
      const publisher = await server.connect({ sub: 'eva' })
      const reader = new Reader(server)
      await reader.connect([room])
      await reader.settle()
      reader.drop()
      // More than the buffers between two sockets of one machine take.
      for (let i = 0; i < 14; i++) {
        await Promise.all(Array.from({ length: 20 }, () => publisher.publish(room, 'x'.repeat(50_000))))
      }
      const { pos } = await reader.connect()
      const { client } = reader
      client.pause()
      // Three pings are due while the replay waits for its reader, who says that it is there.
      for (let i = 0; i < 30; i++) {
        client.send({ op: 'pong' })
        await sleep(10)
      }
      client.resume()
      await reader.settle()
      const ops = client.ops()
      const pings = client.frames.slice(0, ops.indexOf('live')).filter((frame) => frame.op === 'ping')
      t.ok(
        pings.some((ping) => ping.pos < pos),
        `${pings.length} pings during the replay`,
      )
      t.equal(reader.received.length, 280)
    })
  },
)

t.test('pings are spread over the interval', async (t) => {
  const server = await testServer(t, { HEARTBEAT_MS: '1000', HEARTBEAT_TIMEOUT_MS: '1000' })
  const clients = await Promise.all(Array.from({ length: 40 }, () => server.connect()))
  const times = await Promise.all(clients.map(async (client) => (await client.take('ping')).ts))
  t.ok(new Set(times).size >= 4, `${new Set(times).size} moments`)
  t.ok(Math.max(...times) - Math.min(...times) < 2_000)
})
