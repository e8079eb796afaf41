import t from 'tap'
import { TokenClock } from '../../src/session/token-clock.ts'
import { BOTH, inEachVariant, newRoom } from '../server.ts'

inEachVariant(t, BOTH, { RATE_LIMITS: JSON.stringify({ sync: 2, '*': 8 }) }, async (t, server) => {
  await t.test(
    'a field that the op does not know does not change how it is counted (§2.4, §9.4)',
    async (t) => {
      const client = await server.connect()
      for (let i = 0; i < 2; i++) {
        t.match(await client.request({ op: 'sync', lastEventId: 0, type: `t${i}` }), { op: 'ok' })
      }
      t.match(await client.request({ op: 'sync', lastEventId: 0, type: 't9' }), { code: 'RATE_LIMITED' })
    },
  )

  await t.test('a field that the op does not know may be anything', async (t) => {
    const client = await server.connect()
    t.match(await client.request({ op: 'history', channel: newRoom(), type: { toString: 1 } }), { op: 'ok' })
  })

  await t.test('what a session counts by itself is not counted with the event types', async (t) => {
    const client = await server.connect()
    const room = newRoom()
    for (let i = 0; i < 8; i++) t.match(await client.publish(room, i, { type: 'repeat' }), { op: 'ok' })
    t.match(await client.publish(room, 1, { type: 'other' }), { op: 'ok' })
  })

  const { encoding } = await server.connect()
  await t.test(
    'what is refused comes back as a string of §3.1, or not at all',
    { skip: encoding === 'msgpack' },
    async (t) => {
      const client = await server.open()
      const token = await server.token()
      client.socket.send(`{"op":"hello","token":"${token}","channels":["\\ud800","a\\u0000"]}`)
      const { refused } = await client.take('welcome')
      for (const { channel } of refused) t.notMatch(channel, /\p{Surrogate}|\0/u)
    },
  )

  await t.test(
    'nobody keeps a session whose connection ended while its new token was verified',
    async (t) => {
      const kept = new Set<unknown>()
      const { watch, forget } = TokenClock.prototype
      t.teardown(() => Object.assign(TokenClock.prototype, { watch, forget }))
      TokenClock.prototype.watch = function (session) {
        watch.call(this, session)
        kept.add(session)
      }
      TokenClock.prototype.forget = function (session) {
        forget.call(this, session)
        kept.delete(session)
      }
      for (let i = 0; i < 20; i++) {
        const client = await server.connect()
        client.send({ op: 'auth', token: await server.token({}, 500 + i) })
        client.socket.close(1000)
        await client.closed
      }
      await new Promise((resolve) => setTimeout(resolve, 500))
      t.equal(kept.size, 0)
    },
  )
})
