import t from 'tap'
import { CLOSE_GRACE_MS } from '../../src/transport/closing.ts'
import { connect, type Engine, type Recorder, range, serve, until } from './fixture.ts'
import { RawClient } from './raw-client.ts'

export function closing(engine: Engine): void {
  t.test('a close says code and reason, after all that was sent before', async (t) => {
    const served = await serve(t, engine)
    const [client, recorder] = await served.connect()
    const { socket } = recorder
    socket.subscribe('topic')
    for (const number of range(50)) {
      socket.send(`sent ${number}`)
      served.transport.publish('topic', `published ${number} ${'x'.repeat(10_000)}`)
    }
    socket.close(4503, 'shutting down')
    socket.send('too late')
    served.transport.publish('topic', 'too late')
    t.equal(await client.closed(), 4503)
    t.equal(client.reason, 'shutting down')
    t.equal(client.received.length, 100)
    await until(() => recorder.gone)
    t.same(recorder.ends, ['closed 4503'])
  })

  t.test('a reason is cut to what a close frame can carry', async (t) => {
    const served = await serve(t, engine)
    const [client, recorder] = await served.connect()
    recorder.socket.close(4400, 'ñ'.repeat(100))
    t.equal(await client.closed(), 4400)
    t.equal(client.reason, 'ñ'.repeat(61))
  })

  t.test('a connection may be closed as soon as it is open, and inside cork', async (t) => {
    const served = await serve(t, engine, { opened: ({ socket }) => socket.close(4403, 'expelled') })
    const client = await connect(served.url)
    t.equal(await client.closed(), 4403)
    await until(() => served.recorders[0]!.gone)
    const corking = await serve(t, engine)
    const [second, recorder] = await corking.connect()
    recorder.socket.cork(() => {
      recorder.socket.send('bye')
      recorder.socket.close(4503, 'shutting down')
    })
    t.equal(await second.closed(), 4503)
    t.same(second.received, ['bye'])
  })

  t.test('the code of the client is told', async (t) => {
    const served = await serve(t, engine)
    const ends: [(client: RawClient) => void, number][] = [
      [(client) => client.send(8, Buffer.from([0x0f, 0xa1, 0x68, 0x69])), 4001],
      [(client) => client.send(8, ''), 1005],
      [(client) => client.socket.end(), 1006],
      [(client) => client.socket.resetAndDestroy(), 1006],
    ]
    for (const [end, code] of ends) {
      const client = await RawClient.open(served.transport.port)
      const recorder = served.recorders.at(-1)!
      end(client)
      if (code < 1006 || code > 4000) await until(() => client.closeCode !== undefined || client.ended)
      client.socket.end()
      await until(() => recorder.gone)
      t.same(recorder.ends, [`closed ${code}`])
      t.equal(recorder.socket.open, false)
      client.socket.destroy()
    }
  })

  t.test('who does not answer the close frame is not waited for', async (t) => {
    const served = await serve(t, engine)
    const client = await RawClient.open(served.transport.port)
    const [recorder] = served.recorders as [Recorder]
    client.polite = false
    recorder.socket.send('x'.repeat(500))
    recorder.socket.close(4400, 'bad frame')
    const started = Date.now()
    await until(() => recorder.gone)
    t.ok(Date.now() - started < CLOSE_GRACE_MS + 3000)
    t.same(recorder.ends, ['closed 4400'])
    t.equal(client.closeCode, 4400)
    t.equal(served.transport.connections(), 0)
    client.socket.destroy()
  })

  t.test('who does not read what was sent before the close is not waited for', async (t) => {
    const served = await serve(t, engine, { sendBufferBytes: 64 * 1024 * 1024 })
    const client = await RawClient.open(served.transport.port)
    const [recorder] = served.recorders as [Recorder]
    client.stopReading()
    for (const _ of range(400)) recorder.socket.send('x'.repeat(50_000))
    recorder.socket.close(4503, 'shutting down')
    const started = Date.now()
    await until(() => recorder.gone)
    t.ok(Date.now() - started < CLOSE_GRACE_MS + 3000)
    t.same(recorder.ends, ['closed 4503'])
    client.socket.destroy()
  })

  t.test('closing the transport ends every connection and frees the port', async (t) => {
    const served = await serve(t, engine, { request: () => new Promise(() => {}) })
    const clients = await Promise.all(range(20).map(() => connect(served.url)))
    const stuck = await RawClient.open(served.transport.port)
    stuck.stopReading()
    const last = served.recorders.at(-1)!
    while (last.socket.bufferedBytes() === 0) last.socket.send('x'.repeat(50_000))
    served.recorders[0]!.socket.close(4503, 'shutting down')
    const waiting = fetch(`${served.http}/wait`).then(
      () => 'answered',
      () => 'broken off',
    )
    await until(() => served.requests.length === 1)
    const started = Date.now()
    await served.transport.close()
    t.ok(Date.now() - started < CLOSE_GRACE_MS + 3000)
    t.equal(served.transport.connections(), 0)
    for (const client of clients) t.ok([1001, 4503].includes(await client.closed()), String(client.code))
    t.equal(clients.filter(({ code }) => code === 4503).length, 1)
    await until(() => served.recorders.every((recorder) => recorder.gone))
    for (const { ends } of served.recorders) t.equal(ends.length, 1)
    t.equal(await waiting, 'broken off')
    t.equal(served.requests[0]!.signal.aborted, true)
    served.transport.publish('topic', 'nothing')
    await served.transport.close()
    const again = await serve(t, engine, { port: served.transport.port })
    await connect(again.url)
    stuck.socket.destroy()
  })
}
