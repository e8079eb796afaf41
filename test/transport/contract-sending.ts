import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type Engine, range, serve, turn, until } from './fixture.ts'
import { RawClient } from './raw-client.ts'

export function sending(engine: Engine): void {
  t.test('a string goes out as text, bytes as binary, of every length', async (t) => {
    const served = await serve(t, engine)
    const [client, recorder] = await served.connect()
    const sizes = [0, 1, 125, 126, 127, 16_383, 16_384, 65_535, 65_536, 300_000]
    const sent = sizes.flatMap((size) => ['x'.repeat(size), Buffer.alloc(size, 7), 'ñ🐦'.repeat(size / 6)])
    for (const message of sent) recorder.socket.send(message)
    recorder.socket.subscribe('topic')
    for (const message of sent) served.transport.publish('topic', message)
    await until(() => client.received.length === sent.length * 2)
    t.ok([...sent, ...sent].every((message, index) => equal(message, client.received[index]!)))
  })

  t.test('what is published reaches those who are subscribed, each topic its own', async (t) => {
    const served = await serve(t, engine)
    const [[one, first], [two, second], [none]] = [
      await served.connect(),
      await served.connect(),
      await served.connect(),
    ]
    first.socket.subscribe('a')
    first.socket.subscribe('a')
    first.socket.subscribe('b')
    second.socket.subscribe('b')
    second.socket.unsubscribe('never subscribed')
    for (const number of range(5)) {
      served.transport.publish('a', `a${number}`)
      served.transport.publish('b', `b${number}`)
      served.transport.publish('c', `c${number}`)
    }
    await until(() => one.received.length === 10 && two.received.length === 5)
    t.same(
      one.received,
      range(5).flatMap((number) => [`a${number}`, `b${number}`]),
    )
    t.same(
      two.received,
      range(5).map((number) => `b${number}`),
    )
    t.same(none.received, [])
  })

  t.test('publishing and sending to the same socket keep their order', async (t) => {
    const served = await serve(t, engine)
    const [client, recorder] = await served.connect()
    const { socket } = recorder
    socket.subscribe('topic')
    const expected: string[] = []
    for (const number of range(600)) {
      // 20 000 is beyond what uWebSockets.js holds back.
      const message = `${number} ${'x'.repeat([10, 300, 20_000][number % 7] ?? 0)}`
      expected.push(message)
      if ((number * 7) % 3 === 0) socket.send(message)
      else if (number % 50 === 11) socket.cork(() => socket.send(message))
      else served.transport.publish('topic', message)
      if (number % 100 === 99) await turn()
      if (number % 250 === 249) await sleep(5)
    }
    await until(() => client.received.length === expected.length)
    t.same(client.received, expected)
  })

  t.test('order is also kept inside a message handler', async (t) => {
    const served = await serve(t, engine)
    const [client, recorder] = await served.connect()
    const { socket } = recorder
    socket.subscribe('topic')
    recorder.onMessage = (text) => {
      served.transport.publish('topic', `event ${text}`)
      socket.send(`ok ${text}`)
    }
    for (const number of range(50)) client.ws.send(String(number))
    await until(() => client.received.length === 100)
    t.same(
      client.received,
      range(50).flatMap((number) => [`event ${number}`, `ok ${number}`]),
    )
  })

  t.test('a subscription counts from the call on, within the same tick too', async (t) => {
    const served = await serve(t, engine)
    const [client, recorder] = await served.connect()
    const [witness, other] = await served.connect()
    const { socket } = recorder
    other.socket.subscribe('topic')
    for (const large of ['', 'x'.repeat(20_000)]) {
      served.transport.publish('topic', `before${large}`)
      socket.subscribe('topic')
      served.transport.publish('topic', `within${large}`)
      socket.unsubscribe('topic')
      served.transport.publish('topic', `after${large}`)
      socket.send(`end${large}`)
    }
    await until(() => client.received.length >= 4 && witness.received.length === 6)
    await sleep(20)
    t.same(
      client.texts.map((text) => text.replace(/x+/, '')),
      ['within', 'end', 'within', 'end'],
    )
  })

  t.test('a socket publishes to all others, subscribed or not', async (t) => {
    const served = await serve(t, engine)
    const [[one, first], [two, second]] = [await served.connect(), await served.connect()]
    second.socket.subscribe('topic')
    first.socket.publish('topic', 'from one that has no subscription')
    first.socket.subscribe('another topic')
    first.socket.publish('topic', 'from one that has another')
    first.socket.subscribe('topic')
    first.socket.publish('topic', 'from one that has this one')
    second.socket.publish('topic', 'and back')
    first.socket.publish('nobody listens', 'lost')
    await until(() => one.received.length === 1 && two.received.length === 3)
    t.same(one.received, ['and back'])
    t.same(two.received, [
      'from one that has no subscription',
      'from one that has another',
      'from one that has this one',
    ])
  })

  t.test('what a tick publishes or corks is one write', async (t) => {
    const served = await serve(t, engine)
    const client = await RawClient.open(served.transport.port)
    const { socket } = served.recorders[0]!
    socket.subscribe('topic')
    for (const number of range(30)) served.transport.publish('topic', `event ${number}`)
    await until(() => client.frames.length === 30)
    t.equal(client.chunks, 1)
    await turn()
    socket.cork(() => {
      for (const number of range(30)) socket.send(`ok ${number}`)
    })
    await until(() => client.frames.length === 60)
    t.equal(client.chunks, 2)
    client.socket.destroy()
  })

  t.test('a socket that is closed does nothing, and does not throw', async (t) => {
    const served = await serve(t, engine)
    for (const end of ['by us', 'by them'] as const) {
      const [client, recorder] = await served.connect()
      const { socket } = recorder
      socket.subscribe('topic')
      if (end === 'by us') socket.close(4400, 'bad frame')
      else client.ws.terminate()
      for (const when of ['at once', 'later'] as const) {
        if (when === 'later' || end === 'by them') await until(() => recorder.gone)
        t.equal(socket.open, false)
        socket.send('nothing')
        socket.cork(() => socket.send('nothing'))
        socket.subscribe('topic')
        socket.unsubscribe('topic')
        socket.publish('topic', 'nothing')
        served.transport.publish('topic', 'nothing')
        socket.close(4401, 'again')
      }
      t.equal(socket.bufferedBytes(), 0)
      t.same(client.received, [])
      t.same(recorder.ends, [end === 'by us' ? 'closed 4400' : 'closed 1006'])
    }
  })
}

function equal(message: string | Buffer, received: string | Buffer): boolean {
  return typeof message === 'string' ? message === received : message.equals(received as Buffer)
}
