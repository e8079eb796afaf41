import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type Engine, OPTIONS, serve, until } from './fixture.ts'
import { RawClient } from './raw-client.ts'

const TEXT = 1
const BINARY = 2
const CONTINUED = 0

export function messages(engine: Engine): void {
  t.test('a message is passed on as it came, whatever the sub-protocol says', async (t) => {
    const served = await serve(t, engine)
    for (const protocols of [['bitacora.v1.json'], ['bitacora.v1.msgpack']]) {
      const [client, recorder] = await served.connect(protocols)
      const texts = ['{}', '', 'ñandú 🐦 \u0000', 'x'.repeat(70_000 % OPTIONS.maxFrameBytes)]
      for (const text of texts) client.ws.send(text)
      client.ws.send(Buffer.from([0x80, 0xff, 0x00]))
      await until(() => recorder.messages.length === texts.length + 1)
      t.same(
        recorder.messages.map(({ bytes, binary }) => [bytes.toString('latin1'), binary]),
        [
          ...texts.map((text) => [Buffer.from(text).toString('latin1'), false]),
          [Buffer.from([0x80, 0xff, 0x00]).toString('latin1'), true],
        ],
      )
    }
  })

  t.test('a message in fragments, with a ping between them, is one message', async (t) => {
    const served = await serve(t, engine)
    const client = await RawClient.open(served.transport.port)
    const [recorder] = served.recorders
    client.send(TEXT, 'one ', false)
    client.send(9, 'still there?')
    client.send(CONTINUED, Buffer.from('ñ').subarray(0, 1), false)
    client.send(CONTINUED, Buffer.from('ñ').subarray(1), true)
    await until(() => recorder!.messages.length === 1 && client.frames.length === 1)
    t.equal(recorder!.messages[0]!.bytes.toString(), 'one ñ')
    t.same(
      client.frames.map(({ opcode, payload }) => [opcode, payload.toString()]),
      [[10, 'still there?']],
    )
    client.socket.destroy()
  })

  t.test('the largest message is taken, and one byte more ends the connection', async (t) => {
    const served = await serve(t, engine)
    const largest = Buffer.alloc(OPTIONS.maxFrameBytes, 'x')
    const sends: ((client: RawClient, bytes: Buffer) => void)[] = [
      (client, bytes) => client.send(BINARY, bytes),
      (client, bytes) => {
        client.send(BINARY, bytes.subarray(0, 40_000), false)
        client.send(CONTINUED, bytes.subarray(40_000))
      },
    ]
    for (const send of sends) {
      const client = await RawClient.open(served.transport.port)
      const recorder = served.recorders.at(-1)!
      send(client, largest)
      await until(() => recorder.messages.length === 1)
      t.equal(recorder.messages[0]!.bytes.length, OPTIONS.maxFrameBytes)
      send(client, Buffer.concat([largest, Buffer.from('x')]))
      await until(() => client.ended)
      client.socket.destroy()
      await until(() => recorder.gone)
      t.equal(recorder.messages.length, 1)
      // 1009 where the engine says it, an abrupt end where it does not.
      t.ok([1009, undefined].includes(client.closeCode), String(client.closeCode))
    }
  })

  t.test('text that is not UTF-8 is refused by the engine', async (t) => {
    const served = await serve(t, engine)
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0x61, 0xf5, 0x80, 0x80, 0x80]]) {
      const client = await RawClient.open(served.transport.port)
      const recorder = served.recorders.at(-1)!
      client.send(TEXT, Buffer.from(bytes))
      await until(() => client.ended)
      client.socket.destroy()
      await until(() => recorder.gone)
      t.equal(recorder.messages.length, 0)
      t.ok([1007, undefined].includes(client.closeCode), String(client.closeCode))
    }
  })

  t.test('a ping is answered, and pings and pongs are signs of life', async (t) => {
    const served = await serve(t, engine)
    const client = await RawClient.open(served.transport.port)
    const [recorder] = served.recorders
    client.send(9, 'hello')
    await until(() => client.frames.length === 1)
    t.same(client.frames[0], { opcode: 10, payload: Buffer.from('hello') })
    t.equal(recorder!.signs, 1)
    client.send(10, '')
    await until(() => recorder!.signs === 2)
    t.equal(recorder!.messages.length, 0)
    client.socket.destroy()
  })

  t.test('the peer can be asked for a sign of life', async (t) => {
    const served = await serve(t, engine)
    const [client, recorder] = await served.connect()
    let asked = 0
    client.ws.on('ping', () => asked++)
    recorder.socket.ping()
    await until(() => asked === 1 && recorder.signs === 1)
    recorder.socket.close(4400, 'bad frame')
    recorder.socket.ping()
    await client.closed()
    t.equal(asked, 1)
  })

  t.test('what comes after the close is not heard', async (t) => {
    const served = await serve(t, engine)
    const client = await RawClient.open(served.transport.port)
    const [recorder] = served.recorders
    recorder!.onMessage = () => recorder!.socket.close(4400, 'bad frame')
    for (const text of ['first', 'second', 'third']) client.send(TEXT, text)
    await until(() => client.closeCode !== undefined)
    client.send(TEXT, 'fourth')
    await sleep(20)
    t.same(
      recorder!.messages.map(({ bytes }) => bytes.toString()),
      ['first'],
    )
    client.socket.destroy()
  })
}
