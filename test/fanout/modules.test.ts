import t from 'tap'
import { BOTH, inEachVariant } from '../server.ts'

inEachVariant(t, BOTH, {}, async (t, server) => {
  const service = await server.connect({ sub: 'back-end', role: 'service' })

  await t.test('an event goes to the channel of its module, and the reply tells where', async (t) => {
    const routes: [channel: string, type: string, to: string][] = [
      ['shop:s_1', 'order_created', 'shop:s_1/orders'],
      ['shop:s_1/orders', 'order_created', 'shop:s_1/orders'],
      ['shop:s_1', 'transaction_failed', 'shop:s_1/transactions'],
      ['workspace:w', 'chat_message', 'workspace:w/chat'],
      ['shop:s_1', 'notification', 'shop:s_1'],
      ['shop:s_1', 'not_in_the_catalogue', 'shop:s_1'],
      ['shop:s_1/orders', 'not_in_the_catalogue', 'shop:s_1/orders'],
      ['room:x', 'order_created', 'room:x'],
      ['app:main', 'order_created', 'app:main'],
    ]
    for (const [channel, type, to] of routes) {
      t.match(await service.publish(channel, 1, { type }), { op: 'ok', channel: to }, `${type} to ${channel}`)
    }
    t.match(await service.publish('shop:s_1/chat', 1, { type: 'order_created' }), {
      op: 'error',
      code: 'INVALID_CHANNEL',
      details: { channel: 'shop:s_1/orders' },
    })
    t.match(await service.publish('shop:s_1/orders', 1, { type: 'notification' }), {
      code: 'INVALID_CHANNEL',
    })
    t.match(await service.publish('app:main/orders', 1, { type: 'order_created' }), {
      code: 'INVALID_CHANNEL',
    })
  })

  await t.test('each module has its own seq, and only who has the module gets its events', async (t) => {
    const all = await server.connect({ shopId: 's_2' })
    const orders = await server.connect({ shopId: 's_2', modules: ['orders'] })
    const none = await server.connect({ shopId: 's_2', modules: [] })
    const elsewhere = await server.connect({ shopId: 's_3' })
    const clients = [all, orders, none, elsewhere]
    await Promise.all(clients.map((client) => client.take('live')))
    for (const type of ['order_created', 'transaction_approved', 'order_updated', 'notification']) {
      await service.publish('shop:s_2', 1, { type })
    }
    await Promise.all(clients.map((client) => client.settle()))
    const got = clients.map(({ events }) => events.map(({ channel, seq, type }) => [channel, seq, type]))
    const created = ['shop:s_2/orders', 1, 'order_created']
    const approved = ['shop:s_2/transactions', 1, 'transaction_approved']
    const updated = ['shop:s_2/orders', 2, 'order_updated']
    const notified = ['shop:s_2', 1, 'notification']
    t.strictSame(got, [[created, approved, updated, notified], [created, updated, notified], [notified], []])
  })

  await t.test('to have the shop is not to have its modules', async (t) => {
    const client = await server.connect({ shopId: 's_2', modules: ['chat'] })
    t.match(await client.request({ op: 'subscribe', channel: 'shop:s_2/orders' }), { code: 'FORBIDDEN' })
    t.match(await client.request({ op: 'history', channel: 'shop:s_2/orders' }), { code: 'FORBIDDEN' })
    t.match(await client.request({ op: 'signal', channel: 'shop:s_2', type: 'order_updated' }), {
      code: 'FORBIDDEN',
    })
    t.match(await client.request({ op: 'history', channel: 'shop:s_2/chat' }), { op: 'ok', events: [] })
  })
})
