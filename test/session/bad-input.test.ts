import t from 'tap'
import { codecs } from '../../protocol/v1/codec.ts'
import type { TestClient } from '../client.ts'
import { BOTH, inEachVariant } from '../server.ts'

const ROOM = 'room:x'
const nested = (depth: number): unknown => (depth === 0 ? 0 : [nested(depth - 1)])
const hex = (bytes: string) => Buffer.from(bytes.replaceAll(' ', ''), 'hex')

/** Messages that are no frame: fatal. */
const UNDECODABLE: Record<'json' | 'msgpack', Record<string, string | Buffer>> = {
  json: {
    'no JSON': 'hello?',
    nothing: '',
    'a frame that ends too early': '{"op":"ping"',
    'two frames': '{"op":"ping"}{"op":"ping"}',
    'an array': '[{"op":"ping"}]',
    'a number': '7',
    null: 'null',
    'a byte order mark': '\ufeff{"op":"ping"}',
    'a binary message': Buffer.from('{"op":"ping"}'),
    'depth without an end': '['.repeat(60_000),
  },
  msgpack: {
    'a text message': '{"op":"ping"}',
    nothing: hex(''),
    'a frame that ends too early': hex('82 a2 6f70 a4 70696e67'),
    'bytes behind the frame': hex('81 a2 6f70 a4 70696e67 c0'),
    'an array': hex('91 81 a2 6f70 a4 70696e67'),
    nil: hex('c0'),
    bin: hex('82 a2 6f70 a4 70696e67 a1 78 c4 01 00'),
    'an extension': hex('82 a2 6f70 a4 70696e67 a1 78 d6 ff 00000000'),
    'a key that is no string': hex('82 a2 6f70 a4 70696e67 01 02'),
    'a key that comes twice': hex('82 a2 6f70 a4 70696e67 a2 6f70 a4 70696e67'),
    NaN: hex('82 a2 6f70 a4 70696e67 a1 78 cb 7ff8000000000000'),
    'an integer beyond 2^53': hex('82 a2 6f70 a4 70696e67 a1 78 cf 0020000000000000'),
    'a string that is not UTF-8': hex('82 a2 6f70 a4 70696e67 a1 78 a1 ff'),
    'a lone surrogate': hex('82 a2 6f70 a4 70696e67 a1 78 a3 eda080'),
    'a length that is a lie': hex('dd ffffffff'),
    'a map that is a lie': hex('df ffffffff'),
    'depth without an end': Buffer.alloc(60_000, 0x91),
  },
}

/** Payloads that are refused, though their frames can be read. */
const PAYLOADS: [name: string, payload: unknown, path: string | undefined][] = [
  ['too deep', nested(32), undefined],
  ['far too deep', nested(3_000), undefined],
  ['too many elements', Array(10_001).fill(0), undefined],
  ['NUL in a value', { a: [1, 'x\0y'] }, '/payload/a/1'],
  ['NUL in a name', { a: { '\0': 1 } }, '/payload/a/\ufffd'],
  ['a name __proto__', JSON.parse('{"a":{"__proto__":{"polluted":true}}}'), '/payload/a/__proto__'],
]

/** What only JSON can say. */
const JSON_PAYLOADS: [name: string, payload: string, path: string | undefined][] = [
  ['a lone surrogate in a value', '{"a":"\\ud800"}', '/payload/a'],
  ['a lone surrogate in a name', '{"\\udc00x":1}', '/payload/\ufffdx'],
  ['a number beyond all doubles', '[1e400]', '/payload/0'],
  ['NUL as an escape', '"\\u0000"', '/payload'],
]

inEachVariant(t, BOTH, {}, async (t, server) => {
  const bystander = await server.connect({ sub: 'eva' }, { channels: [ROOM] })
  const encoding = bystander.encoding
  /** Nobody else has noticed anything. */
  const unaffected = async () => {
    const { eventId } = await bystander.publish(ROOM, 'fine')
    await bystander.settle()
    t.equal(bystander.events.at(-1)?.id, eventId)
  }
  const head = async () => (await server.pool.query('select id from bitacora.head')).rows[0].id
  const sendMessage = (client: TestClient, message: string | Buffer) =>
    client.socket.send(message, { binary: typeof message !== 'string' })

  for (const [name, message] of Object.entries(UNDECODABLE[encoding])) {
    await t.test(`fatal: ${name}`, async (t) => {
      for (const client of [await server.connect(), await server.open()]) {
        sendMessage(client, message)
        t.equal(await client.closed, 4400)
        t.match(client.frames.slice(-2), [
          { op: 'error', code: 'BAD_FRAME', retry: false },
          { op: 'bye', code: 4400, reconnect: false },
        ])
      }
    })
  }
  await unaffected()

  await t.test('a text that is not UTF-8 ends the connection', async (t) => {
    const client = await server.connect()
    // A client library would not send it: one masked text frame of the byte ff.
    const { _socket: socket } = client.socket as unknown as { _socket: { write(bytes: Buffer): void } }
    socket.write(hex('81 81 00000000 ff'))
    t.not(await client.closed, 1000)
    await unaffected()
  })

  await t.test('a frame that is too large ends the connection', async (t) => {
    const large = { op: 'publish', channel: ROOM, type: 'note', payload: 'x'.repeat(65_536) }
    const before = await head()
    for (const client of [await server.connect(), await server.open()]) {
      client.send(large)
      t.ok([4413, 1009, 1006].includes(await client.closed))
    }
    t.equal(await head(), before)
    await unaffected()
  })

  await t.test('a frame of exactly the limit is taken', async (t) => {
    const client = await server.connect()
    const frame = (size: number) => ({
      op: 'publish',
      id: 1,
      channel: ROOM,
      type: 'note',
      payload: 'x'.repeat(size),
    })
    const overhead = codecs[encoding].encode(frame(65_000) as never).length - 65_000
    client.send(frame(65_536 - overhead))
    t.match(await client.find(({ op }) => op === 'ok' || op === 'error'), { op: 'ok' })
  })

  await t.test('a payload that is refused is answered under its id, and the connection stays', async (t) => {
    const client = await server.connect({}, { channels: [ROOM] })
    const before = await head()
    for (const [name, payload, path] of PAYLOADS) {
      const reply = await client.publish(ROOM, payload)
      t.match(reply, { op: 'error', code: 'INVALID_PAYLOAD', retry: false }, name)
      if (path !== undefined) t.equal(reply.details.path, path, name)
    }
    if (encoding === 'json') {
      for (const [i, [name, payload, path]] of JSON_PAYLOADS.entries()) {
        const id = 1_000 + i
        sendMessage(
          client,
          `{"op":"publish","id":${id},"channel":"${ROOM}","type":"note","payload":${payload}}`,
        )
        const reply = await client.find((frame) => 'id' in frame && frame.id === id)
        t.match(reply, { op: 'error', code: 'INVALID_PAYLOAD', details: { path } }, name)
      }
    }
    t.equal(await head(), before)
    t.equal(({} as { polluted?: true }).polluted, undefined)
    await client.settle()
    t.equal(client.events.length, 0)
    // Just within the limits.
    t.match(await client.publish(ROOM, nested(31)), { op: 'ok' })
    t.match(await client.publish(ROOM, Array(9_990).fill(0)), { op: 'ok' })
    t.match(await client.publish(ROOM, JSON.parse('{"a__proto__":1,"constructor":2,"\\u0001":3}')), {
      op: 'ok',
    })
  })

  await t.test('a frame that is only wrong is answered, and the connection stays', async (t) => {
    const client = await server.connect()
    const wrong: [frame: Record<string, unknown>, reply: object][] = [
      [
        { op: 'nonsense', id: 1 },
        { id: 1, code: 'UNKNOWN_OP' },
      ],
      [
        { op: '__proto__', id: 1 },
        { id: 1, code: 'UNKNOWN_OP' },
      ],
      [
        { op: 7, id: 2 },
        { id: 2, code: 'BAD_FRAME', details: { path: '/op' } },
      ],
      [{ id: 3 }, { id: 3, code: 'BAD_FRAME', details: { path: '/op' } }],
      [
        { op: 'ping', id: 'x' },
        { code: 'BAD_FRAME', details: { path: '/id' } },
      ],
      [
        { op: 'ping', id: -1 },
        { code: 'BAD_FRAME', details: { path: '/id' } },
      ],
      [
        { op: 'ping', id: 2 ** 32 },
        { code: 'BAD_FRAME', details: { path: '/id' } },
      ],
      [
        { op: 'ping', id: 1.5 },
        { code: 'BAD_FRAME', details: { path: '/id' } },
      ],
      [
        { op: 'subscribe', id: 4 },
        { id: 4, code: 'BAD_FRAME', details: { path: '/channel' } },
      ],
      [
        { op: 'subscribe', id: 5, channel: [] },
        { id: 5, code: 'BAD_FRAME', details: { path: '/channel' } },
      ],
      [
        { op: 'subscribe', id: 6, channel: 'x' },
        { id: 6, code: 'INVALID_CHANNEL' },
      ],
      [
        { op: 'subscribe', id: 7, channel: 'room:%zz' },
        { id: 7, code: 'INVALID_CHANNEL' },
      ],
      [
        { op: 'subscribe', id: 8, channel: ROOM, last: 'x' },
        { id: 8, details: { path: '/last' } },
      ],
      [
        { op: 'unsubscribe', id: 9, channel: 'x' },
        { id: 9, code: 'INVALID_CHANNEL' },
      ],
      [
        { op: 'sync', id: 10, lastEventId: 2 ** 53 },
        { id: 10, details: { path: '/lastEventId' } },
      ],
      [
        { op: 'auth', id: 11, token: '' },
        { id: 11, details: { path: '/token' } },
      ],
      [
        { op: 'auth', id: 12, token: 'x'.repeat(9_000) },
        { id: 12, code: 'AUTH_FAILED' },
      ],
    ]
    for (const [frame, reply] of wrong) {
      client.send(frame)
      const error = await client.take('error')
      t.match(error, { retry: false, ...reply }, JSON.stringify(frame).slice(0, 80))
      if (!('id' in reply)) t.notOk('id' in error)
    }
    await client.settle()
    await unaffected()
  })

  await t.test('hello with what is no list of channels is refused whole', async (t) => {
    for (const channels of ['room:x', [1], [null], { length: 1 }]) {
      const client = await server.open()
      client.send({ op: 'hello', token: await server.token(), channels })
      t.equal(await client.closed, 4401)
      t.match(client.frames[0], { op: 'error', code: 'BAD_FRAME' })
    }
    const client = await server.open()
    const many = Array.from({ length: 1_000 }, (_, i) => `room:${i}`)
    const welcome = await client.hello(await server.token(), { channels: many })
    t.equal(welcome.channels.length, 256)
    t.equal(welcome.refused.length, 1_000 - 254)
  })
  await unaffected()
})
