import t from 'tap'
import type { TestClient } from '../client.ts'
import { startPostgres } from '../postgres.ts'
import { Reader } from '../reader.ts'
import { newRoom, testServer } from '../server.ts'

const DEADLINE_MS = 700

t.test('while the database is away', async (t) => {
  const postgres = await startPostgres(t)
  const env = { PUBLISH_TIMEOUT_MS: String(DEADLINE_MS), WINDOW_BYTES: '0', HEAD_CHECK_MS: '50' }
  const server = await testServer(t, env, { database: { url: postgres.url } })
  const publisher = await server.connect({ sub: 'eva' })
  const reader = new Reader(server, {}, 'msgpack')
  const room = newRoom()
  await reader.connect([room])
  const sent = new Map<string, unknown>()
  let last = 0

  /** Under one messageId until it is there, as a client does. */
  const untilStored = async (client: TestClient, payload: unknown) => {
    const messageId = `m-${sent.size}`
    sent.set(messageId, payload)
    for (;;) {
      const reply = await client.publish(room, payload, { messageId })
      if (reply.op === 'ok') {
        last = Math.max(last, reply.eventId)
        return
      }
      if (!reply.retry) throw new Error(JSON.stringify(reply))
    }
  }
  /** What the reader gets is what was sent, each once. */
  const whole = async () => {
    // A commit of unknown outcome may be acknowledged before the log has been read up to it.
    await reader.reached(last)
    await reader.settle()
    t.strictSame(
      reader.received.map(({ messageId, payload }) => [messageId, payload]).sort(),
      [...sent].sort(),
    )
  }

  const away: Record<string, { leave: () => Promise<void> | void; back: () => Promise<void> | void }> = {
    'paused, it answers nothing': { leave: () => postgres.pause(), back: () => postgres.resume() },
    'killed, it refuses connections': { leave: () => postgres.kill9(), back: () => postgres.start() },
  }
  for (const [how, { leave, back }] of Object.entries(away)) {
    await t.test(how, async (t) => {
      await untilStored(publisher, `before it is ${how}`)
      await leave()
      const started = performance.now()
      const refused = await Promise.all([
        publisher.publish(newRoom(), 1),
        publisher.publish(newRoom(), 2),
        reader.client.publish(newRoom(), 3),
      ])
      for (const reply of refused) t.match(reply, { op: 'error', code: 'UNAVAILABLE', retry: true })
      const took = performance.now() - started
      t.ok(took < DEADLINE_MS + 1_000, `answered after ${took} ms`)

      await publisher.request({ op: 'signal', channel: room, type: 'wave', payload: how })
      t.match(await reader.client.find((frame) => frame.op === 'signal' && frame.payload === how), {
        from: 'eva',
      })
      t.equal((await fetch(`${server.http}/healthz`)).status, 200)

      const waiting = [untilStored(publisher, 'sent meanwhile'), untilStored(reader.client, 'that too')]
      await back()
      await Promise.all(waiting)
      await untilStored(publisher, 'after it')
      await whole()
      t.equal(reader.resumes.length, 1, 'on one connection all the while')
    })
  }

  await t.test('what needs it is refused by name, and the stream goes on', async (t) => {
    await untilStored(publisher, 'before')
    await reader.settle()
    const ops = reader.client.ops().length
    await postgres.kill9()
    const asked = [
      { op: 'history', channel: room },
      { op: 'subscribe', channel: newRoom() },
      { op: 'subscribe', channel: newRoom(), last: 1 },
      { op: 'sync', lastEventId: 1 },
    ]
    for (const request of asked) {
      t.match(await publisher.request(request), { op: 'error', code: 'UNAVAILABLE', retry: true }, request.op)
    }
    t.match(await reader.client.request({ op: 'sync', lastEventId: 1 }), { code: 'UNAVAILABLE' })
    const newcomer = await server.open()
    newcomer.send({ op: 'hello', token: await server.token({ sub: 'luis' }), channels: [newRoom()] })
    t.equal(await newcomer.closed, 4500)
    t.match(newcomer.frames, [
      { op: 'error', code: 'UNAVAILABLE', retry: true },
      { op: 'bye', code: 4500, reconnect: true },
    ])
    await postgres.start()
    await untilStored(publisher, 'after')
    await whole()
    t.strictSame(reader.client.ops(ops), ['error', 'event', 'pong'])
    t.match(await publisher.request({ op: 'history', channel: room, limit: 1 }), { op: 'ok', more: true })
  })

  await t.test('publishes under way when it is killed are stored once', async () => {
    for (let kills = 0; kills < 2; kills++) {
      let going = true
      const lines = Array.from({ length: 20 }, async (_, i) => {
        while (going) await untilStored(i % 2 === 0 ? publisher : reader.client, i)
      })
      const before = sent.size
      await reader.client.until(() => sent.size > before + 200, '200 publishes')
      await postgres.kill9()
      await postgres.start()
      going = false
      await Promise.all(lines)
    }
    await whole()
  })

  await t.test('a replay waits for it', async () => {
    reader.drop()
    for (let i = 0; i < 15; i++) {
      await Promise.all(Array.from({ length: 20 }, () => untilStored(publisher, 'x'.repeat(50_000))))
    }
    await reader.connect()
    reader.client.pause()
    const asked = reader.client.publish(newRoom(), 'has it read my hello?')
    await postgres.kill9()
    await postgres.start()
    reader.client.resume()
    await asked
    await whole()
  })
})
