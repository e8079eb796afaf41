import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { CLOSE_GRACE_MS } from '../../src/transport/closing.ts'
import type { Socket } from '../../src/transport/transport.ts'
import { type Engine, type Recorder, range, type Served, serve, turn, until } from './fixture.ts'
import { RawClient } from './raw-client.ts'

const LIMIT = 64 * 1024
const TOO_SLOW = 4508
const ENOUGH = 1000
/** For a machine that has other things to do. */
const SLACK_MS = 3_000

type Way = (served: Served, socket: Socket, message: string, number: number) => void

const WAYS: Record<string, Way> = {
  send: (_served, socket, message) => socket.send(message),
  publish: (served, _socket, message) => served.transport.publish('topic', message),
  mixed: (served, socket, message, number) => {
    if (number % 3 === 0) socket.send(message)
    else served.transport.publish('topic', message)
  },
}

const message = (number: number, size: number) => `${number} ${'x'.repeat(size)}`
const numberOf = (text: string) => Number.parseInt(text, 10)

export function slowReaders(engine: Engine): void {
  for (const [name, hand] of Object.entries(WAYS)) {
    t.test(`who stops reading gets a prefix and the end: ${name}`, async (t) => {
      const outcomes = await Promise.all([1, 10, 100].map((perTick) => overflow(t, engine, hand, perTick)))
      for (const { sent, got, ends, closeCode, connections } of outcomes) {
        t.ok(got.length > 0 && got.length < sent, `${got.length} of ${sent}`)
        t.same(got, range(got.length))
        t.same(ends, ['overflowed', `closed ${TOO_SLOW}`])
        t.ok([TOO_SLOW, undefined].includes(closeCode), String(closeCode))
        t.equal(connections, 0)
      }
    })
  }

  t.test('who reads by fits and starts gets a prefix, with messages of all sizes', async (t) => {
    const served = await serve(t, engine, { sendBufferBytes: LIMIT / 2 })
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
    for (const round of range(5)) {
      const seeds = range(8).map((index) => seed + round * 8 + index)
      const readers = []
      for (const seed of seeds) {
        const client = await RawClient.open(served.transport.port)
        const recorder = served.recorders.at(-1)!
        readers.push(() => readByFits(served, client, recorder, seed))
      }
      const outcomes = await Promise.all(readers.map((read) => read()))
      for (const [index, { sent, got, closeCode }] of outcomes.entries()) {
        const prefix = got.length <= sent && got.every((number, index) => number === index)
        // A close that is no overflow loses nothing.
        const whole = closeCode !== ENOUGH || got.length === sent
        t.ok(prefix && whole, `SEED=${seeds[index]}: ${got.length} of ${sent}, ${closeCode}`)
      }
    }
  })

  t.test('who wakes up in time is told why', async (t) => {
    const served = await serve(t, engine, { sendBufferBytes: LIMIT })
    const client = await RawClient.open(served.transport.port)
    const [recorder] = served.recorders as [Recorder]
    client.stopReading()
    let sent = 0
    while (recorder.socket.open) recorder.socket.send(message(sent++, 3000))
    client.read()
    await until(() => client.closeCode !== undefined)
    t.equal(client.closeCode, TOO_SLOW)
    t.same(client.texts.map(numberOf), range(sent - 1), 'all but the one that was refused')
    client.socket.destroy()
  })

  t.test('who never wakes up is ended by force', async (t) => {
    const served = await serve(t, engine, { sendBufferBytes: LIMIT })
    const client = await RawClient.open(served.transport.port)
    const [recorder] = served.recorders as [Recorder]
    client.stopReading()
    while (recorder.socket.open) recorder.socket.send(message(0, 3000))
    const started = Date.now()
    await until(() => recorder.gone)
    t.ok(Date.now() - started < CLOSE_GRACE_MS + SLACK_MS)
    client.socket.destroy()
  })

  t.test('one who reads nothing does not delay the others of the topic', async (t) => {
    const served = await serve(t, engine)
    const stuck = await RawClient.open(served.transport.port)
    stuck.stopReading()
    const clients = await Promise.all(range(20).map(() => RawClient.open(served.transport.port)))
    for (const { socket } of served.recorders) socket.subscribe('topic')
    const delays: number[] = []
    for (const number of range(400)) {
      const published = performance.now()
      served.transport.publish('topic', message(number, 30_000))
      while (clients.some(({ frames }) => frames.length <= number)) await turn()
      delays.push(performance.now() - published)
    }
    t.same(served.recorders[0]!.ends[0], 'overflowed')
    for (const client of clients) t.equal(client.frames.length, 400)
    delays.sort((a, b) => a - b)
    t.ok(delays[380]! < 250, `p95 ${delays[380]} ms`)
    for (const { socket } of [stuck, ...clients]) socket.destroy()
  })

  t.test('what a handler publishes while some are stuck reaches the others whole', async (t) => {
    const served = await serve(t, engine, {
      sendBufferBytes: LIMIT,
      opened: (recorder) => {
        recorder.socket.subscribe('topic')
        recorder.onMessage = (text) => {
          served.transport.publish('topic', message(published++, 2000))
          recorder.socket.send(`ok ${text}`)
        }
      },
    })
    let published = 0
    const clients: RawClient[] = []
    for (const _ of range(12)) clients.push(await RawClient.open(served.transport.port))
    const [speaker, ...others] = clients as [RawClient, ...RawClient[]]
    const stuck = others.slice(0, 4)
    for (const client of stuck) client.stopReading()
    while (served.recorders.filter(({ gone }) => gone).length < stuck.length) {
      for (const number of range(40)) speaker.send(1, String(number))
      await sleep(1)
    }
    await until(() => published % 40 === 0 && others.slice(4).every(({ messages }) => messages === published))
    await until(() => speaker.messages === published * 2)
    for (const client of others.slice(4)) t.same(client.texts.map(numberOf), range(published))
    for (const client of stuck) {
      client.read()
      await until(() => client.ended)
      t.same(client.texts.map(numberOf), range(client.texts.length))
    }
    for (const { socket } of clients) socket.destroy()
  })

  t.test('who reads is not pinged to death, however near the limit it is', async (t) => {
    const served = await serve(t, engine, { sendBufferBytes: LIMIT })
    const client = await RawClient.open(served.transport.port)
    const [recorder] = served.recorders as [Recorder]
    const { socket } = recorder
    socket.subscribe('topic')
    for (const round of range(10)) {
      for (const number of range(20)) served.transport.publish('topic', message(number, 2000))
      socket.cork(() => {
        for (const number of range(100)) socket.send(message(number, 10))
      })
      for (const number of range(100)) {
        socket.send(message(number, 10))
        served.transport.publish('topic', message(number, 10))
      }
      await until(() => client.texts.length === (round + 1) * 320)
    }
    // `ws` ends a connection on which 60 pings wait for their pong.
    t.ok(client.frames.filter(({ opcode }) => opcode === 9).length <= 10)
    t.same(recorder.ends, [])
    client.socket.destroy()
  })

  t.test('drained is told when the buffer is empty again, and not before', async (t) => {
    const served = await serve(t, engine, { sendBufferBytes: 64 * 1024 * 1024 })
    const client = await RawClient.open(served.transport.port)
    const [recorder] = served.recorders as [Recorder]
    const { socket } = recorder
    socket.send('small')
    await until(() => client.frames.length === 1)
    t.equal(socket.bufferedBytes(), 0)
    for (const round of [1, 2, 3]) {
      client.stopReading()
      for (const _ of range(400)) socket.send('x'.repeat(50_000))
      await sleep(20)
      t.ok(socket.bufferedBytes() > 0)
      const before = recorder.drains
      socket.send('one more')
      await sleep(20)
      t.equal(recorder.drains, before)
      client.read()
      await until(() => recorder.drains > before)
      t.equal(socket.bufferedBytes(), 0)
      await until(() => client.frames.length === 1 + round * 401)
    }
    t.same(recorder.ends, [])
    client.socket.destroy()
  })
}

interface Outcome {
  readonly sent: number
  readonly got: readonly number[]
  readonly closeCode: number | undefined
}

/** Hands messages to one who does not read until that is too much, and then some more. */
async function overflow(t: Test, engine: Engine, hand: Way, perTick: number) {
  const served = await serve(t, engine, { sendBufferBytes: LIMIT })
  const client = await RawClient.open(served.transport.port)
  const [recorder] = served.recorders as [Recorder]
  recorder.socket.subscribe('topic')
  client.stopReading()
  let sent = 0
  while (recorder.ends.length === 0) {
    for (const _ of range(perTick)) hand(served, recorder.socket, message(sent, 3000), sent++)
    await turn()
  }
  t.equal(recorder.socket.open, false)
  for (const _ of range(50)) hand(served, recorder.socket, message(sent, 10), sent++)
  await until(() => recorder.gone)
  client.read()
  await until(() => client.ended)
  client.socket.destroy()
  const { ends } = recorder
  const connections = served.transport.connections()
  return { sent, got: client.texts.map(numberOf), closeCode: client.closeCode, ends, connections }
}

/** Hands messages of all sizes in all ways to one who reads now and then. */
async function readByFits(
  served: Served,
  client: RawClient,
  recorder: Recorder,
  seed: number,
): Promise<Outcome> {
  const random = randomFrom(seed)
  const topic = `topic of ${seed}`
  const { socket } = recorder
  socket.subscribe(topic)
  let sent = 0
  const deadline = Date.now() + 1000
  while (socket.open && Date.now() < deadline) {
    // The operating system alone takes some megabytes, so a pause has to be long enough to matter.
    const fit = random.below(40)
    if (fit === 0) client.stopReading()
    else if (fit === 1) client.read()
    // More than uWebSockets.js holds back for a socket, now and then.
    for (const _ of range(random.below(seed % 2 === 0 ? 60 : 160))) {
      // The large ones take another path through uWebSockets.js than those it holds back.
      const size = random.below(8) === 0 ? 16_000 + random.below(30_000) : random.below(4000)
      const text = message(sent++, size)
      if (random.below(seed % 3 === 0 ? 20 : 2) === 0) socket.send(text)
      else served.transport.publish(topic, text)
    }
    if (random.below(2) === 0) await turn()
    else await sleep(random.below(3))
  }
  client.read()
  socket.close(ENOUGH, 'enough')
  await until(() => client.ended)
  client.socket.destroy()
  await until(() => recorder.gone)
  return { sent, got: client.texts.map(numberOf), closeCode: client.closeCode }
}

/** A small generator (mulberry32), so that a run can be repeated from its seed. */
function randomFrom(seed: number) {
  return {
    state: seed >>> 0,
    below(limit: number): number {
      this.state = (this.state + 0x6d2b79f5) >>> 0
      let value = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
      value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
      return Math.floor((((value ^ (value >>> 14)) >>> 0) / 2 ** 32) * limit)
    },
  }
}
