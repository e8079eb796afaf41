import t from 'tap'
import { BOTH, inEachVariant } from '../server.ts'

inEachVariant(t, BOTH, {}, async (t, server) => {
  const client = await server.connect()
  await client.take('live')

  await t.test('a ping is answered with a pong of the same id', async (t) => {
    const from = client.frames.length
    client.send({ op: 'ping', id: 4_294_967_295 })
    client.send({ op: 'ping' })
    t.strictSame(
      [await client.take('pong'), await client.take('pong')],
      [{ op: 'pong', id: 4_294_967_295 }, { op: 'pong' }],
    )
    t.equal(client.frames.length, from + 2)
  })

  await t.test('a pong has no reply', async (t) => {
    const from = client.frames.length
    client.send({ op: 'pong' })
    await client.settle()
    t.strictSame(client.ops(from), ['pong'])
  })

  await t.test('an op that is not served, or does not exist, is refused by name', async (t) => {
    for (const frame of [
      { op: 'join', channel: 'room:x' },
      { op: 'leave', channel: 'room:x' },
      { op: 'receipt', channel: 'room:x', read: 1 },
      { op: 'state' },
      { op: 'presence', channel: 'room:x' },
      { op: 'status', status: 'away' },
      { op: 'welcome' },
      { op: 'constructor' },
      { op: '' },
    ]) {
      t.match(await client.request(frame), { op: 'error', code: 'UNKNOWN_OP', retry: false }, frame.op)
    }
  })

  await t.test('fields that nobody knows are ignored', async (t) => {
    t.match(await client.request({ op: 'subscribe', channel: 'room:x', colour: { red: [1] } }), { op: 'ok' })
  })
})
