import t, { type Test } from 'tap'
import { CLOSES } from '../../protocol/v1/errors.ts'
import { VERSION } from '../../src/ops/version.ts'
import type { FrameOf, TestClient } from '../client.ts'
import { BOTH, inEachVariant, newRoom, testServer } from '../server.ts'

/** The close code, after an `error` with this code and a `bye` that says the same as the table. */
async function refusal(t: Test, client: TestClient, code: string): Promise<number> {
  const closeCode = await client.closed
  const [error, bye] = client.frames.slice(-2)
  t.match(error, { op: 'error', code, retry: false })
  t.match(bye, { op: 'bye', code: closeCode, reconnect: CLOSES[closeCode]!.reconnect })
  return closeCode
}

inEachVariant(t, BOTH, { HELLO_TIMEOUT_MS: '1500', HEARTBEAT_MS: '20000' }, async (t, server) => {
  const idle = await server.open()

  await t.test('welcome tells everything that a client starts with', async (t) => {
    const client = await server.open()
    const sent = Date.now()
    client.send({ op: 'hello', id: 7, token: await server.token({ modules: ['orders'] }, 100) })
    const welcome = await client.take('welcome')
    const [{ epoch }] = (await server.pool.query('select epoch from bitacora.log')).rows
    t.match(welcome, {
      id: 7,
      protocol: 1,
      session: /^\S{16,}$/,
      user: 'ana',
      epoch,
      pos: 0,
      resume: 'fresh',
      channels: [
        { channel: 'user:ana', seq: 0 },
        { channel: 'app:main', seq: 0 },
      ],
      refused: [],
      heartbeat: { interval: 20_000, timeout: 10_000 },
      limits: { frameBytes: 65_536, depth: 32, elements: 10_000, channels: 256, replayEvents: 10_000 },
      modules: ['orders'],
      features: [],
      server: { version: VERSION, node: /^\S+$/ },
    })
    t.ok(Math.abs(welcome.expiresAt - sent - 100_000) < 5_000, 'expiresAt is the end of the token')
  })

  await t.test('welcome has no id where hello had none, and every session its own', async (t) => {
    const one = await server.open()
    const other = await server.open()
    const welcome = await one.hello(await server.token())
    t.notOk('id' in welcome)
    t.not(welcome.session, (await other.hello(await server.token())).session)
  })

  await t.test('hello may tell of the program and of the session before', async (t) => {
    const token = await server.token()
    const client = await server.open()
    const about = { client: { name: 'a phone', version: '1.0' }, session: 's-1', colour: 'red' }
    t.equal((await client.hello(token, about)).resume, 'fresh')
    for (const fields of [{ client: 'a phone' }, { client: { name: 'ñ', version: '1' } }, { session: ' ' }]) {
      const refused = await server.open()
      refused.send({ op: 'hello', token, ...fields })
      t.equal(await refusal(t, refused, 'BAD_FRAME'), 4401)
    }
  })

  await t.test('the personal channels follow from the token', async (t) => {
    const client = await server.open()
    const claims = { role: 'agent', workspaceId: 'w 1', shopId: 's_1', modules: ['orders'] }
    const welcome = await client.hello(await server.token(claims))
    t.strictSame(
      welcome.channels.map(({ channel }) => channel),
      [
        'user:ana',
        'app:main',
        'workspace:w%201',
        'workspace:w%201/orders',
        'shop:s_1',
        'shop:s_1/orders',
        'role:w%201~agent',
        'agent:w%201',
      ],
    )
    const all = await (await server.open()).hello(await server.token({ shopId: 's_1' }))
    t.ok(all.modules.length > 1)
    const names = all.channels.map(({ channel }) => channel)
    for (const module of all.modules) t.ok(names.includes(`shop:s_1/${module}`))
    const none = await (await server.open()).hello(await server.token({ shopId: 's_1', modules: [] }))
    t.strictSame(none.modules, [])
    t.strictSame(
      none.channels.map(({ channel }) => channel),
      ['user:ana', 'app:main', 'shop:s_1'],
    )
  })

  await t.test(
    'the channels asked for are there once each; refused ones are listed with their reason',
    async (t) => {
      const room = newRoom()
      const publisher = await server.connect()
      await publisher.publish(room, 1)
      await publisher.publish(room, 2)
      const client = await server.open()
      const channels = [room, room, 'user:ana', 'user:eva', 'nonsense', 'dm:z~a', 'nosuch:x']
      const welcome = await client.hello(await server.token(), { channels })
      t.match(welcome.channels, [
        { channel: 'user:ana', seq: 0 },
        { channel: 'app:main', seq: 0 },
        { channel: room, seq: 2 },
      ])
      t.equal(welcome.channels.length, 3)
      t.strictSame(welcome.refused, [
        { channel: 'user:eva', code: 'FORBIDDEN' },
        { channel: 'nonsense', code: 'INVALID_CHANNEL' },
        { channel: 'dm:z~a', code: 'INVALID_CHANNEL' },
        { channel: 'nosuch:x', code: 'FORBIDDEN' },
      ])
    },
  )

  await t.test('a fresh session gets no event before live, and live.pos is welcome.pos', async (t) => {
    const room = newRoom()
    const publisher = await server.connect()
    await publisher.publish(room, 'before')
    // Publishing goes on while others come in.
    const publishing = Promise.all(Array.from({ length: 200 }, (_, i) => publisher.publish(room, i)))
    const clients = await Promise.all(
      Array.from({ length: 10 }, () => server.connect({}, { channels: [room] })),
    )
    await publishing
    for (const client of clients) {
      await client.settle()
      const [welcome, live] = client.frames as [FrameOf<'welcome'>, FrameOf<'live'>]
      t.strictSame(client.ops().slice(0, 2), ['welcome', 'live'])
      t.equal(live.pos, welcome.pos)
      t.equal(client.ops().filter((op) => op === 'live' || op === 'refresh').length, 1)
      t.strictSame(
        client.events.map(({ seq }) => seq),
        Array.from({ length: client.events.length }, (_, i) => welcome.channels[2]!.seq + 1 + i),
      )
      t.ok(client.events.every(({ id }) => id > live.pos))
      t.equal(client.events.at(-1)?.payload ?? 199, 199)
    }
  })

  await t.test('frames behind hello wait for welcome and are served in their order', async (t) => {
    const room = newRoom()
    const client = await server.open()
    client.send({ op: 'hello', token: await server.token(), channels: [room] })
    client.send({ op: 'ping', id: 1 })
    for (let i = 2; i < 12; i++)
      client.send({ op: 'publish', id: i, channel: room, type: 'note', payload: i })
    client.send({ op: 'subscribe', id: 12, channel: room })
    await client.eventCount(10)
    await client.find((frame) => frame.op === 'ok' && frame.id === 12)
    t.equal(client.frames[0]?.op, 'welcome')
    t.strictSame(
      client.events.map(({ payload }) => payload),
      [2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    )
    t.match(
      client.frames.find(({ op }) => op === 'pong'),
      { id: 1 },
    )
  })

  await t.test(
    'more frames than may wait for welcome are refused by name, and the session opens',
    async (t) => {
      const client = await server.open()
      client.send({ op: 'hello', token: await server.token() })
      for (let id = 1; id <= 300; id++) client.send({ op: 'ping', id })
      await client.until(() => client.frames.length >= 302, '302 frames')
      const refused = client.frames.filter(({ op }) => op === 'error')
      t.equal(client.ops().filter((op) => op === 'pong').length + refused.length, 300)
      for (const error of refused) t.match(error, { code: 'OVERLOADED', retry: true })
      await client.settle()
    },
  )

  await t.test('a first frame that is not hello: error with its id, bye, 4401', async (t) => {
    const client = await server.open()
    client.send({ op: 'publish', id: 3, channel: 'room:x', type: 'note', payload: 1 })
    t.equal(await refusal(t, client, 'UNAUTHENTICATED'), 4401)
    t.match(client.frames, [{ op: 'error', id: 3 }, { op: 'bye' }])
    t.equal(client.frames.length, 2)
  })

  await t.test('a first frame that is a hello of the wrong form: error, bye, 4401', async (t) => {
    for (const fields of [{}, { token: 1 }, { token: 'x', lastEventId: 1 }, { token: 'x', epoch: 'e' }]) {
      const client = await server.open()
      client.send({ op: 'hello', id: 4, ...fields })
      t.equal(await refusal(t, client, 'BAD_FRAME'), 4401)
      t.match(client.frames[0], { id: 4 })
    }
  })

  await t.test('a refused token: AUTH_FAILED with the id of hello, bye, 4401', async (t) => {
    const good = await server.token()
    const forged = `${good.slice(0, -4)}AAAA`
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`
    for (const token of ['nonsense', forged, none, await server.token({}, 0.001)]) {
      const client = await server.open()
      client.send({ op: 'hello', id: 5, token })
      // What waits behind it is not served.
      client.send({ op: 'publish', id: 6, channel: 'room:x', type: 'note', payload: 1 })
      t.equal(await refusal(t, client, 'AUTH_FAILED'), 4401)
      t.match(client.frames[0], { id: 5 })
      t.equal(client.frames.length, 2)
      t.notOk(JSON.stringify(client.frames).includes(token), 'the token is not repeated')
    }
  })

  await t.test('a second hello is refused and changes nothing', async (t) => {
    const client = await server.connect()
    const reply = await client.request({ op: 'hello', token: await server.token({ sub: 'eva' }) })
    t.match(reply, { op: 'error', code: 'BAD_FRAME' })
    t.equal((await client.publish('room:x', 1)).op, 'ok')
  })

  await t.test('the peer may go at any moment of the handshake', async () => {
    for (let i = 0; i < 20; i++) {
      const client = await server.open()
      if (i % 2 === 0) client.send({ op: 'hello', token: await server.token() })
      client.socket.terminate()
    }
    await (await server.connect()).settle()
  })

  await t.test('no hello in time: error, bye, 4408', async (t) => {
    const client = await server.connect()
    t.equal(await refusal(t, idle, 'UNAUTHENTICATED'), 4408)
    t.equal(idle.frames.length, 2)
    await client.settle()
  })
})

t.test('a session has as many channels as it may have, those of hello included', async (t) => {
  const server = await testServer(t, { MAX_CHANNELS_PER_SESSION: '4' })
  const client = await server.open()
  const welcome = await client.hello(await server.token(), { channels: ['room:1', 'room:2', 'room:3'] })
  t.equal(welcome.limits.channels, 4)
  t.strictSame(welcome.refused, [{ channel: 'room:3', code: 'TOO_MANY_CHANNELS' }])
  t.match(await client.request({ op: 'subscribe', channel: 'room:3' }), {
    op: 'error',
    code: 'TOO_MANY_CHANNELS',
    retry: false,
  })
  t.match(await client.request({ op: 'subscribe', channel: 'room:1' }), { op: 'ok' })
  await client.request({ op: 'unsubscribe', channel: 'room:1' })
  t.match(await client.request({ op: 'subscribe', channel: 'room:3' }), { op: 'ok' })
})

t.test('the welcome of a server with other limits says so', async (t) => {
  const env = { MAX_FRAME_BYTES: '2048', REPLAY_MAX_EVENTS: '5', HEARTBEAT_TIMEOUT_MS: '3000' }
  const server = await testServer(t, env)
  const welcome = await (await server.open()).hello(await server.token())
  t.match(welcome, { limits: { frameBytes: 2048, replayEvents: 5 }, heartbeat: { timeout: 3000 } })
})
