import { connect as connectTcp } from 'node:net'
import t from 'tap'
import { connect, type Engine, range, refused, serve, until } from './fixture.ts'
import { RawClient } from './raw-client.ts'

const JSON_V1 = 'bitacora.v1.json'
const MSGPACK_V1 = 'bitacora.v1.msgpack'

export function handshake(engine: Engine): void {
  t.test('without a sub-protocol a connection is in JSON, and none is named', async (t) => {
    const served = await serve(t, engine)
    const [client, recorder] = await served.connect()
    t.equal(client.ws.protocol, '')
    t.equal(recorder.socket.encoding, 'json')
    t.equal(recorder.socket.ip, '127.0.0.1')
    t.equal(recorder.socket.open, true)
    t.equal(served.transport.engine, engine.name)
  })

  t.test('the first sub-protocol that is supported is taken', async (t) => {
    const served = await serve(t, engine)
    const offers: [string[], string, string][] = [
      [[JSON_V1], JSON_V1, 'json'],
      [[MSGPACK_V1], MSGPACK_V1, 'msgpack'],
      [[MSGPACK_V1, JSON_V1], MSGPACK_V1, 'msgpack'],
      [['bitacora.v9.json', 'chat', JSON_V1, MSGPACK_V1], JSON_V1, 'json'],
    ]
    for (const [offer, subprotocol, encoding] of offers) {
      const [client, recorder] = await served.connect(offer)
      t.equal(client.ws.protocol, subprotocol)
      t.equal(recorder.socket.encoding, encoding)
    }
    const twoHeaders = ['Sec-WebSocket-Protocol: chat', `Sec-WebSocket-Protocol: ${MSGPACK_V1}`]
    const client = await RawClient.open(served.transport.port, twoHeaders)
    t.match(client.head, /sec-websocket-protocol: bitacora\.v1\.msgpack/i)
    client.socket.destroy()
  })

  t.test('where only unknown sub-protocols are offered, the answer lists the known ones', async (t) => {
    const served = await serve(t, engine)
    const { status, headers, body } = await refused(served.url, ['chat', 'bitacora.v2.json'])
    t.equal(status, 400)
    t.match(headers['content-type'], 'application/json')
    t.match(JSON.parse(body), { error: { code: 'BAD_FRAME', details: { supported: [JSON_V1, MSGPACK_V1] } } })
    t.equal(served.recorders.length, 0)
  })

  t.test('origins that are not allowed are refused, and who is no browser is not asked', async (t) => {
    const served = await serve(t, engine, { allowedOrigins: new Set(['https://app.example.com']) })
    const foreign = await refused(served.url, [], { origin: 'https://evil.example.com' })
    t.equal(foreign.status, 403)
    t.equal(JSON.parse(foreign.body).error.code, 'FORBIDDEN')
    t.equal((await refused(served.url, [], { origin: 'null' })).status, 403)
    await connect(served.url, [], { origin: 'https://app.example.com' })
    await connect(served.url)
    const open = await serve(t, engine)
    await connect(open.url, [], { origin: 'https://evil.example.com' })
  })

  t.test('only the path of the options is upgraded, with or without a query', async (t) => {
    const served = await serve(t, engine, { request: async () => ({ status: 404, body: 'nothing here' }) })
    for (const path of ['/', '/ws/', '/ws2', '/WS', '/v1/ws']) {
      const { status, body } = await refused(served.http.replace('http', 'ws') + path)
      t.same([status, body], [404, 'nothing here'])
    }
    t.same(
      served.requests.map(({ path }) => path),
      ['/', '/ws/', '/ws2', '/WS', '/v1/ws'],
    )
    await connect(`${served.url}?since=1`)
  })

  t.test('another version of the WebSocket protocol is refused', async (t) => {
    const served = await serve(t, engine)
    const { status, headers } = await refused(served.url, [], { protocolVersion: 8 })
    t.same([status, headers['sec-websocket-version']], [426, '13'])
  })

  t.test('no compression is agreed on', async (t) => {
    const served = await serve(t, engine)
    const [client] = await served.connect([], { perMessageDeflate: true })
    t.equal(client.ws.extensions, '')
  })

  t.test('an address has its limit, and every way to end a connection makes room again', async (t) => {
    const served = await serve(t, engine, { maxConnectionsPerIp: 2, sendBufferBytes: 64 * 1024 })
    const kept = await connect(served.url)
    const ends: Record<string, (client: RawClient) => void> = {
      'the client closes': (client) => client.send(8, Buffer.from([0x03, 0xe8])),
      'the client closes without a code': (client) => client.send(8, ''),
      'the client ends its side': (client) => client.socket.end(),
      'the client resets': (client) => client.socket.resetAndDestroy(),
      'the client breaks the protocol': (client) => client.send(3, 'reserved opcode'),
      'the client sends invalid UTF-8': (client) => client.send(1, Buffer.from([0xff, 0xfe])),
      'the client sends too much': (client) => client.send(1, 'x'.repeat(served.transport.port + 65_536)),
      'the server closes': () => served.recorders.at(-1)!.socket.close(4400, 'bad frame'),
      'the client does not read': (client) => {
        client.stopReading()
        const { socket } = served.recorders.at(-1)!
        while (socket.open) socket.send('x'.repeat(60_000))
      },
    }
    for (const [how, end] of Object.entries(ends)) {
      const client = await RawClient.open(served.transport.port)
      t.match(client.head, '101', how)
      const { status, body } = await refused(served.url)
      t.equal(status, 429, how)
      t.equal(JSON.parse(body).error.code, 'RATE_LIMITED')
      t.equal(served.transport.connections(), 2)
      end(client)
      await until(() => served.recorders.at(-1)!.gone)
      t.equal(served.transport.connections(), 1, how)
      client.socket.destroy()
    }
    kept.ws.close()
  })

  t.test('the server has its limit', async (t) => {
    const served = await serve(t, engine, { maxConnections: 3 })
    const clients = await Promise.all(range(3).map(() => connect(served.url)))
    const { status, body } = await refused(served.url)
    t.equal(status, 503)
    t.equal(JSON.parse(body).error.code, 'OVERLOADED')
    clients[0]!.ws.terminate()
    await until(() => served.transport.connections() === 2)
    await connect(served.url)
    t.equal(served.transport.connections(), 3)
  })

  t.test('handshakes that come together do not exceed a limit', async (t) => {
    const served = await serve(t, engine, { maxConnections: 10, maxConnectionsPerIp: 7 })
    const outcomes = await Promise.allSettled(range(60).map(() => connect(served.url)))
    t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 7)
    t.equal(served.transport.connections(), 7)
    t.equal(served.recorders.length, 7)
  })

  t.test('who does not finish the request head is cut off', async (t) => {
    const served = await serve(t, engine, { handshakeTimeoutMs: 500 })
    const started = Date.now()
    const [client] = await served.connect()
    const lives = await Promise.all(
      ['', 'GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgra'].map(async (head) => {
        const socket = connectTcp(served.transport.port, '127.0.0.1')
        socket.on('error', () => {})
        socket.write(head)
        socket.resume()
        await new Promise((resolve) => socket.on('close', resolve))
        return Date.now() - started
      }),
    )
    for (const life of lives) t.ok(life >= 400 && life <= engine.handshakeLimitMs, `${life} ms`)
    t.equal(client.code, undefined, 'a connection that is open has no such time')
  })
}
