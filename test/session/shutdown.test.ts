import t from 'tap'
import { BOTH, inEachVariant, newRoom, testServer } from '../server.ts'

const DRAIN_MS = 60_000

inEachVariant(t, BOTH, { DRAIN_MS: String(DRAIN_MS) }, async (t, server) => {
  await t.test('what was accepted is acknowledged, then everybody is told when to come back', async (t) => {
    const room = newRoom()
    const publisher = await server.connect()
    const clients = await Promise.all(
      Array.from({ length: 10 }, () => server.connect({}, { channels: [room] })),
    )
    const newcomer = await server.open()
    const replies = Array.from({ length: 300 }, (_, i) => publisher.publish(room, i))
    // The server has read what was sent before.
    await publisher.settle()
    await server.close()

    t.equal((await Promise.all(replies)).filter(({ op }) => op === 'ok').length, 300)
    const afters = new Set<number>()
    for (const client of [...clients, publisher, newcomer]) {
      t.equal(await client.closed, 4503)
      const bye = client.frames.at(-1)!
      t.match(bye, { op: 'bye', code: 4503, reconnect: true })
      if (bye.op === 'bye') afters.add(bye.after!)
    }
    for (const after of afters) t.ok(after >= 0 && after <= DRAIN_MS)
    t.ok(afters.size > 6, 'not all at once')
    for (const client of clients) t.equal(client.events.length, 300)
    const { rows } = await server.pool.query('select count(*)::int as n from bitacora.events')
    t.equal(rows[0].n, 300)
  })

  await t.test('nobody comes in any more', async (t) => {
    await t.rejects(server.open())
    await t.rejects(fetch(`${server.http}/healthz`))
  })
})

t.test(
  'those who publish without a pause do not keep the server from stopping, nor lose an event',
  async (t) => {
    const server = await testServer(t)
    const clients = await Promise.all(
      Array.from({ length: 8 }, () => server.connect({}, { channels: ['room:x'] })),
    )
    const acknowledged: string[] = []
    const publishing = clients.flatMap((client, c) =>
      Array.from({ length: 10 }, async (_, line) => {
        for (let i = 0; ; i++) {
          const messageId = `${c} ${line} ${i}`
          const { op } = await client.publish('room:x', 1, { messageId })
          if (op === 'ok') acknowledged.push(messageId)
        }
      }),
    )
    const ends = Promise.allSettled(publishing)
    await clients[0]!.eventCount(1_000)
    const started = Date.now()
    await server.close()
    t.ok(Date.now() - started < 6_000)
    for (const client of clients) t.equal(await client.closed, 4503)
    await ends
    const { rows } = await server.pool.query('select message_id from bitacora.events')
    t.strictSame(rows.map((row) => row.message_id).sort(), acknowledged.sort())
  },
)
