import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { BOTH, inEachVariant, newRoom, testServer } from '../server.ts'

const LIMITS = { 'message:send': 5, 'typing:start': { limit: 3, windowMs: 300 }, sync: 2, '*': 8 }

inEachVariant(t, BOTH, { RATE_LIMITS: JSON.stringify(LIMITS) }, async (t, server) => {
  await t.test('an event type is taken as often as its rule says, and told when again', async (t) => {
    const room = newRoom()
    const client = await server.connect({}, { channels: [room] })
    const send = () => client.publish(room, 1, { type: 'message:send' })
    const sent = Date.now()
    for (let i = 0; i < 5; i++) t.match(await send(), { op: 'ok' })
    const refused = await send()
    t.match(refused, {
      op: 'error',
      code: 'RATE_LIMITED',
      retry: true,
      details: { limit: 5, windowMs: 60_000, resetAt: Number },
    })
    const { resetAt } = refused.details
    t.ok(resetAt >= sent + 60_000 && resetAt <= Date.now() + 60_000)
    t.match(await send(), { details: { resetAt } }, 'a refused one does not put it off')
    t.match(await client.publish(room, 1, { type: 'other' }), { op: 'ok' }, 'other types are not affected')
    t.match(await client.request({ op: 'history', channel: room }), { op: 'ok' }, 'nor are other ops')
    const elsewhere = await server.connect()
    t.match(await elsewhere.publish(room, 1, { type: 'message:send' }), { op: 'ok' }, 'nor are other sockets')
    await client.settle()
    t.equal(client.events.length, 7, 'what is refused has no effect')
  })

  await t.test('at resetAt it goes on', async (t) => {
    const room = newRoom()
    const client = await server.connect()
    const signal = () => client.request({ op: 'signal', channel: room, type: 'typing:start' })
    for (let i = 0; i < 3; i++) t.match(await signal(), { op: 'ok' })
    const { details } = await signal()
    t.match(details, { limit: 3, windowMs: 300 })
    await sleep(details.resetAt - Date.now() + 1)
    t.match(await signal(), { op: 'ok' })
  })

  await t.test('ops are counted by name, and what cannot be read is counted too', async (t) => {
    const client = await server.connect()
    for (let i = 0; i < 2; i++) t.match(await client.request({ op: 'sync', lastEventId: 0 }), { op: 'ok' })
    t.match(await client.request({ op: 'sync', lastEventId: 0 }), {
      code: 'RATE_LIMITED',
      details: { limit: 2 },
    })
    for (let i = 0; i < 8; i++)
      t.match(await client.request({ op: 'subscribe', channel: 'room:x' }), { op: 'ok' })
    t.match(await client.request({ op: 'subscribe', channel: 'room:x' }), { details: { limit: 8 } })
    t.equal(client.socket.readyState, 1)
  })

  await t.test('a pong is no request', async (t) => {
    const client = await server.connect()
    for (let i = 0; i < 50; i++) client.send({ op: 'pong' })
    await client.settle()
    t.notOk(client.ops().includes('error'))
  })

  for (const [name, frame] of Object.entries({
    requests: { op: 'publish', channel: 'room:x', type: 'message:send', payload: 1 },
    'frames that are wrong': { op: 'nonsense' },
  })) {
    await t.test(`who floods with ${name} is closed, and nobody else`, async (t) => {
      const other = await server.connect({ sub: 'eva' })
      const client = await server.connect()
      for (let i = 0; i < 1_200; i++) client.send(frame)
      t.equal(await client.closed, 4429)
      t.match(client.frames.at(-1), { op: 'bye', code: 4429, reconnect: false })
      t.ok(client.ops().filter((op) => op === 'error').length >= 1_000)
      await other.settle()
    })
  }
})

t.test('the limits that ship', async (t) => {
  const server = await testServer(t, { RATE_LIMITS: '{}' })
  const client = await server.connect()
  const room = newRoom()
  for (const [type, limit] of Object.entries({ 'message:send': 60, 'typing:start': 120, note: 100 })) {
    const replies = await Promise.all(
      Array.from({ length: limit + 1 }, () => client.publish(room, 1, { type })),
    )
    t.equal(replies.filter(({ op }) => op === 'ok').length, limit)
    t.match(replies.at(-1), { code: 'RATE_LIMITED', details: { limit, windowMs: 60_000 } })
  }
})
