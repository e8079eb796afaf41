import t from 'tap'
import { Reader } from '../reader.ts'
import { BOTH, inEachVariant, newRoom } from '../server.ts'

inEachVariant(t, BOTH, {}, async (t, server) => {
  const service = await server.connect({ sub: 'back-end', role: 'service' })

  await t.test('channels that a renewed token does not allow are left, at a seq', async (t) => {
    const room = newRoom()
    const before = { shopId: 's_1', modules: ['orders', 'chat'], channels: ['conversation:c'] }
    const reader = new Reader(server, before)
    await reader.connect([room, 'conversation:c'])
    for (const channel of ['shop:s_1', 'shop:s_1/orders', 'shop:s_1/chat', 'conversation:c', room]) {
      await service.publish(channel, 'before')
    }
    await reader.settle()
    const token = await server.token({ shopId: 's_1', modules: ['chat'] })
    t.match(await reader.client.request({ op: 'auth', token }), { op: 'ok' })
    const left = [await reader.client.take('unsubscribed'), await reader.client.take('unsubscribed')]
    t.match(
      left.map(({ channel, reason }) => [channel, reason]),
      [
        ['shop:s_1/orders', 'rights'],
        ['conversation:c', 'rights'],
      ],
    )
    for (const channel of ['shop:s_1', 'shop:s_1/orders', 'shop:s_1/chat', 'conversation:c', room]) {
      await service.publish(channel, 'after')
    }
    await reader.settle()
    t.strictSame(
      reader.received.filter(({ payload }) => payload === 'after').map(({ channel }) => channel),
      ['shop:s_1', 'shop:s_1/chat', room],
    )
    t.match(await reader.client.request({ op: 'subscribe', channel: 'shop:s_1/orders' }), {
      code: 'FORBIDDEN',
    })
  })

  await t.test('channels of the session’s own that it adds are entered, from a seq on', async (t) => {
    await service.publish('shop:s_2/orders', 'before')
    const reader = new Reader(server)
    await reader.connect([])
    const token = await server.token({ shopId: 's_2', modules: ['orders'] })
    t.match(await reader.client.request({ op: 'auth', token }), { op: 'ok' })
    t.strictSame(
      [await reader.client.take('subscribed'), await reader.client.take('subscribed')],
      [
        { op: 'subscribed', channel: 'shop:s_2', seq: 0, reason: 'rights' },
        { op: 'subscribed', channel: 'shop:s_2/orders', seq: 1, reason: 'rights' },
      ],
    )
    await service.publish('shop:s_2/orders', 'after')
    await service.publish('shop:s_2', 'after')
    await reader.settle()
    t.strictSame(
      reader.received.map(({ channel, seq }) => [channel, seq]),
      [
        ['shop:s_2/orders', 2],
        ['shop:s_2', 1],
      ],
    )
  })

  await t.test('rights change without a hole or a stray event while others publish', async (t) => {
    const reader = new Reader(server, { shopId: 's_3' })
    await reader.connect([])
    let going = true
    const publishing = (async () => {
      while (going)
        await Promise.all(Array.from({ length: 5 }, (_, i) => service.publish('shop:s_3/orders', i)))
    })()
    for (let i = 0; i < 6; i++) {
      const modules = i % 2 === 0 ? [] : ['orders']
      await reader.client.request({ op: 'auth', token: await server.token({ shopId: 's_3', modules }) })
      await reader.client.take(i % 2 === 0 ? 'unsubscribed' : 'subscribed')
      await reader.settle()
    }
    going = false
    await publishing
    await reader.settle()
    t.ok(reader.channels.includes('shop:s_3/orders'))
  })

  await t.test('the rights of the new token hold for what is published from then on', async (t) => {
    const client = await server.connect()
    t.match(await client.publish('app:main', 1), { code: 'FORBIDDEN' })
    const channels = [{ channel: 'app:main', may: ['publish'] as const }]
    await client.request({ op: 'auth', token: await server.token({ channels }) })
    t.match(await client.publish('app:main', 1), { op: 'ok' })
    await client.request({ op: 'auth', token: await server.token() })
    t.match(await client.publish('app:main', 2), { code: 'FORBIDDEN' })
  })
})
