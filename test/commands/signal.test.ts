import t from 'tap'
import { BOTH, inEachVariant, newRoom } from '../server.ts'

inEachVariant(t, BOTH, {}, async (t, server) => {
  await t.test(
    'a signal reaches the others in the channel, in either encoding, and is not stored',
    async (t) => {
      const room = newRoom()
      const hello = { channels: [room] }
      const sender = await server.connect({}, hello)
      const others = [
        await server.connect({ sub: 'eva' }, hello, 'json'),
        await server.connect({ sub: 'luis' }, hello, 'msgpack'),
        await server.connect({}, hello),
      ]
      const outside = await server.connect({ sub: 'eva' })
      await Promise.all([sender, ...others].map((client) => client.take('live')))
      const [{ id: head }] = (await server.pool.query('select id from bitacora.head')).rows

      const sent = Date.now()
      const ok = await sender.request({
        op: 'signal',
        channel: room,
        type: 'typing:start',
        payload: { a: [1] },
      })
      t.strictSame(Object.keys(ok).sort(), ['id', 'op'])
      for (const other of others) {
        const signal = await other.take('signal')
        t.match(signal, { channel: room, type: 'typing:start', payload: { a: [1] }, from: 'ana' })
        t.ok(Math.abs(signal.ts - sent) < 5_000)
      }
      for (const client of [sender, outside]) {
        await client.settle()
        t.notOk(client.ops().includes('signal'))
      }
      t.equal((await server.pool.query('select id from bitacora.head')).rows[0].id, head)
    },
  )

  await t.test('a payload is optional, and no ok comes without an id', async (t) => {
    const room = newRoom()
    const sender = await server.connect({}, { channels: [room] })
    const other = await server.connect({ sub: 'eva' }, { channels: [room] })
    await sender.take('live')
    const from = sender.frames.length
    sender.send({ op: 'signal', channel: room, type: 'typing:stop' })
    t.notOk('payload' in (await other.take('signal')))
    await sender.settle()
    t.strictSame(sender.ops(from), ['pong'])
  })

  await t.test('one need not be subscribed to signal', async (t) => {
    const room = newRoom()
    const other = await server.connect({ sub: 'eva' }, { channels: [room] })
    const sender = await server.connect()
    t.match(await sender.request({ op: 'signal', channel: room, type: 'wave', payload: null }), { op: 'ok' })
    t.match(await other.take('signal'), { type: 'wave', payload: null })
  })

  await t.test('who has left the channel gets no more of them', async (t) => {
    const room = newRoom()
    const sender = await server.connect()
    const other = await server.connect({ sub: 'eva' }, { channels: [room] })
    await other.request({ op: 'unsubscribe', channel: room })
    await sender.request({ op: 'signal', channel: room, type: 'wave' })
    await other.settle()
    t.notOk(other.ops().includes('signal'))
  })

  await t.test('a signal of a module goes where its events go', async (t) => {
    const orders = await server.connect({ sub: 'eva', shopId: 's_1', modules: ['orders'] })
    const chat = await server.connect({ sub: 'luis', shopId: 's_1', modules: ['chat'] })
    const sender = await server.connect({ shopId: 's_1' })
    t.match(await sender.request({ op: 'signal', channel: 'shop:s_1', type: 'order_updated' }), { op: 'ok' })
    t.match(await orders.take('signal'), { channel: 'shop:s_1/orders', from: 'ana' })
    await chat.settle()
    t.notOk(chat.ops().includes('signal'))
  })

  await t.test('who may not signal is told so, and nobody hears it', async (t) => {
    const eva = await server.connect({ sub: 'eva' })
    const sender = await server.connect()
    for (const channel of ['user:eva', 'app:main', 'shop:s_1', 'dm:eva~luis', 'nosuch:x']) {
      const reply = await sender.request({ op: 'signal', channel, type: 'wave' })
      t.match(reply, { op: 'error', code: 'FORBIDDEN', retry: false }, channel)
    }
    const refused = await sender.request({ op: 'signal', channel: 'room:x', type: 'wave', payload: 'x\0' })
    t.match(refused, { code: 'INVALID_PAYLOAD', details: { path: '/payload' } })
    t.match(await sender.request({ op: 'signal', channel: 'room:x', type: 'Wave' }), { code: 'BAD_FRAME' })
    await eva.settle()
    t.notOk(eva.ops().includes('signal'))
  })
})
