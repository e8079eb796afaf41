import { Agent, request } from 'node:http'
import { createServer } from 'node:net'
import t from 'tap'
import { connect, type Engine, freePort, refused, serve, until } from './fixture.ts'

export function listening(engine: Engine): void {
  t.test('port 0 is any free port, another one for each', async (t) => {
    const [one, two] = [await serve(t, engine), await serve(t, engine)]
    t.ok(one.transport.port > 0 && two.transport.port > 0)
    t.not(one.transport.port, two.transport.port)
  })

  t.test('a port that is taken is told, with the address and what to do', async (t) => {
    const served = await serve(t, engine)
    const foreign = createServer()
    await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve))
    t.teardown(() => foreign.close())
    const { port } = foreign.address() as { port: number }
    for (const taken of [served.transport.port, port]) {
      const told = { code: 'EADDRINUSE', message: new RegExp(`127\\.0\\.0\\.1:${taken}: .*PORT`) }
      await t.rejects(serve(t, engine, { port: taken }), told)
    }
    await connect(served.url)
  })

  t.test('a port can be taken over right after its server has ended all connections', async (t) => {
    for (const port of [0, await freePort()]) {
      const before = await serve(t, engine, { port })
      const [client, recorder] = await before.connect()
      // Who closes first keeps the port busy for a while, in the state TIME_WAIT.
      recorder.socket.close(4503, 'shutting down')
      await client.closed()
      await before.transport.close()
      const after = await serve(t, engine, { port: before.transport.port })
      await connect(after.url)
    }
  })

  t.test('an address that this machine does not have is told', async (t) => {
    await t.rejects(serve(t, engine, { host: '192.0.2.1' }), { message: /192\.0\.2\.1:0: .*HOST/ })
  })

  t.test('addresses have their usual text form, and IPv4 inside IPv6 is IPv4', async (t) => {
    const served = await serve(t, engine, {
      host: '::',
      request: async ({ ip }) => ({ status: 200, body: ip }),
    })
    for (const [host, ip] of [
      ['127.0.0.1', '127.0.0.1'],
      ['[::1]', '::1'],
    ]) {
      t.equal(await (await fetch(`http://${host}:${served.transport.port}`)).text(), ip)
      await connect(`ws://${host}:${served.transport.port}/ws`)
      await until(() => served.recorders.some(({ socket }) => socket.ip === ip))
    }
  })

  t.test('one who has stopped listening takes nothing new, and keeps what is open', async (t) => {
    const served = await serve(t, engine, { request: async () => ({ status: 200 }) })
    const [client, recorder] = await served.connect()
    recorder.socket.subscribe('topic')
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    t.teardown(() => agent.destroy())
    const slow = openRequest(served.transport.port, agent)
    await slow.connected
    served.transport.stopListening()
    served.transport.stopListening()
    const late = await slow.finish()
    t.same([late.status, late.headers.connection], [503, 'close'])
    t.equal(served.requests.length, 0)
    await t.rejects(fetch(served.http))
    await t.rejects(refused(served.url), { code: 'ECONNREFUSED' })
    served.transport.publish('topic', 'still here')
    recorder.socket.send('and here')
    client.ws.send('hello')
    await until(() => client.received.length === 2 && recorder.messages.length === 1)
    t.same(client.received, ['still here', 'and here'])
    t.equal(served.transport.connections(), 1)
  })
}

/** A connection whose request is written when it is asked for. */
function openRequest(port: number, agent: Agent) {
  const outgoing = request({ port, host: '127.0.0.1', agent, method: 'POST', path: '/' })
  const connected = new Promise<void>((resolve) =>
    outgoing.on('socket', (socket) => socket.on('connect', () => setTimeout(resolve, 20))),
  )
  const finish = () =>
    new Promise<{ status: number; headers: Record<string, unknown> }>((resolve, reject) => {
      outgoing.on('error', reject)
      outgoing.on('response', (response) => {
        response.resume()
        resolve({ status: response.statusCode!, headers: response.headers })
      })
      outgoing.end()
    })
  return { connected, finish }
}
