import t, { type Test } from 'tap'
import type { Reply } from '../client.ts'
import { inEachVariant, newRoom, type TestServer, testServer, VARIANTS } from '../server.ts'

/** Of the reply to a repeat: all that the first one said. */
const repeated = ({ id: _, ...first }: Reply) => ({ ...first, duplicate: true })
const withoutId = ({ id: _, ...reply }: Reply) => reply

const count = async (server: TestServer, channel: string) =>
  (await server.pool.query('select count(*)::int as n from bitacora.events where channel = $1', [channel]))
    .rows[0].n

async function post(server: TestServer, event: object, claims = {}): Promise<{ status: number; body: any }> {
  const response = await fetch(`${server.http}/v1/publish`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await server.token(claims)}` },
    body: JSON.stringify(event),
  })
  return { status: response.status, body: await response.json() }
}

// A repeat is recognised in the window, or by Postgres where the window has forgotten it.
for (const [where, env, variants] of [
  ['in the window', {}, VARIANTS.slice(0, 2)],
  ['in Postgres', { WINDOW_BYTES: '0' }, VARIANTS.slice(2)],
] as const) {
  t.test(`a repeat is recognised ${where}`, async (t) => {
    const body = async (t: Test, server: TestServer) => {
      await t.test('a repeat is answered with the first acknowledgement and appends nothing', async (t) => {
        const room = newRoom()
        const client = await server.connect({}, { channels: [room] })
        const first = await client.publish(room, { a: 1, b: [1, 2] }, { messageId: 'm-1' })
        await client.publish(room, 'between')
        const again = await client.publish(room, { a: 1, b: [1, 2] }, { messageId: 'm-1' })
        t.strictSame(withoutId(again), repeated(first))
        // As a JSON value it is the same.
        const otherwise = await client.publish(room, { b: [1.0, 2], a: 1 }, { messageId: 'm-1' })
        t.strictSame(withoutId(otherwise), repeated(first))
        const elsewhere = await server.connect()
        t.match(await elsewhere.publish(room, { a: 1, b: [1, 2] }, { messageId: 'm-1' }), repeated(first))
        t.equal(await count(server, room), 2)
        await client.settle()
        t.equal(client.events.length, 2, 'nobody gets it twice')
      })

      await t.test('repeats that come together append one event', async (t) => {
        const room = newRoom()
        const clients = [await server.connect(), await server.connect(), await server.connect()]
        const replies = await Promise.all(
          Array.from({ length: 30 }, (_, i) =>
            clients[i % 3]!.publish(room, Math.floor(i / 10), { messageId: `${room} ${Math.floor(i / 10)}` }),
          ),
        )
        t.equal(await count(server, room), 3)
        t.equal(new Set(replies.map(({ eventId }) => eventId)).size, 3)
        t.equal(replies.filter(({ duplicate }) => duplicate === undefined).length, 3)
      })

      await t.test('another channel, type or payload under the same messageId is a conflict', async (t) => {
        const room = newRoom()
        const client = await server.connect()
        const first = await client.publish(room, { a: 1 }, { messageId: room })
        const conflict = { op: 'error', code: 'IDEMPOTENCY_CONFLICT', retry: false }
        t.match(await client.publish(room, { a: 2 }, { messageId: room }), conflict)
        t.match(await client.publish(room, { a: '1' }, { messageId: room }), conflict)
        t.match(await client.publish(newRoom(), { a: 1 }, { messageId: room }), conflict)
        t.match(await client.publish(room, { a: 1 }, { messageId: room, type: 'other' }), conflict)
        t.match(await client.publish(room, { a: 1 }, { messageId: room }), repeated(first))
        t.equal(await count(server, room), 1)
      })

      await t.test('a messageId is the sender’s own', async (t) => {
        const room = newRoom()
        const ana = await server.connect()
        const eva = await server.connect({ sub: 'eva' })
        t.match(await ana.publish(room, 1, { messageId: room }), { seq: 1 })
        t.match(await eva.publish(room, 2, { messageId: room }), { op: 'ok', seq: 2 })
      })

      await t.test('a repeat over HTTP is a repeat, and the reverse', async (t) => {
        const [room, other] = [newRoom(), newRoom()]
        const client = await server.connect()
        const { op: _, id: __, ...first } = await client.publish(room, { a: 1 }, { messageId: room })
        const event = { channel: room, type: 'note', payload: { a: 1 }, messageId: room }
        t.strictSame(await post(server, event), { status: 200, body: { ok: { ...first, duplicate: true } } })
        t.match(await post(server, { ...event, payload: 2 }), {
          status: 409,
          body: { error: { code: 'IDEMPOTENCY_CONFLICT', retry: false } },
        })
        t.match(await post(server, { ...event, payload: 2 }, { sub: 'eva' }), { status: 200 })

        const { body } = await post(server, { channel: other, type: 'note', payload: 1, messageId: other })
        t.match(await client.publish(other, 1, { messageId: other }), { ...body.ok, duplicate: true })
      })
    }
    inEachVariant(t, variants, env, body)
  })
}

t.test('a repeat is recognised after a restart of the server', async (t) => {
  const server = await testServer(t)
  const first = await (await server.connect()).publish('room:x', 1, { messageId: 'm' })
  await server.close()
  const next = await testServer(t, {}, { database: { url: server.databaseUrl } })
  const again = await (await next.connect()).publish('room:x', 1, { messageId: 'm' })
  t.strictSame(withoutId(again), repeated(first))
})

t.test('repeats that Postgres has to look up are limited, for the one who sends them', async (t) => {
  const server = await testServer(t, {
    WINDOW_BYTES: '0',
    RATE_LIMITS: '{"note":1000,"*":{"limit":3,"windowMs":600000}}',
  })
  const client = await server.connect()
  await client.publish('room:x', 1, { messageId: 'm' })
  for (let i = 0; i < 3; i++) {
    t.match(await client.publish('room:x', 1, { messageId: 'm' }), { duplicate: true })
  }
  t.match(await client.publish('room:x', 1, { messageId: 'm' }), {
    code: 'RATE_LIMITED',
    retry: true,
    details: { limit: 3, windowMs: 600_000 },
  })
  const other = await server.connect({ sub: 'eva' })
  t.match(await other.publish('room:x', 1, { messageId: 'm' }), { op: 'ok' })
})
