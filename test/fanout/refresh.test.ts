import t, { type Test } from 'tap'
import type { Environment } from '../../src/config.ts'
import { Reader } from '../reader.ts'
import { BOTH, inEachVariant, newRoom, type TestServer, testServer } from '../server.ts'

type Reason = 'gap_too_large' | 'too_old' | 'epoch_changed' | 'ahead_of_log'

/**
 * Connects and sends `sync`, each time with the cursor: a refresh for this reason is the answer, and the stream goes on
 * live behind its `pos`.
 */
async function refreshed(
  t: Test,
  server: TestServer,
  reason: Reason,
  room: string,
  cursor: { lastEventId: number; epoch: string },
): Promise<void> {
  const publisher = await server.connect({ sub: 'eva' })
  const { epoch } = publisher.welcome
  const [{ id: head }] = (await server.pool.query('select id from bitacora.head')).rows
  const [{ seq }] = (
    await server.pool.query(
      'select coalesce(max(seq), 0)::int as seq from bitacora.events where channel = $1',
      [room],
    )
  ).rows
  const client = await server.open()
  const welcome = await client.hello(await server.token(), { channels: [room], ...cursor })
  t.match(welcome, { resume: 'refresh', epoch, pos: head })
  t.strictSame(welcome.channels.at(-1), { channel: room, seq })
  const refresh = { op: 'refresh', reason, epoch, pos: head }
  t.strictSame(await client.take('refresh'), refresh)
  t.strictSame(client.ops(), ['welcome', 'refresh'])
  await publisher.publish(room, `after ${reason}`)
  t.match(await client.take('event'), { id: head + 1, seq: seq + 1 })

  // An epoch is not part of a sync.
  if (reason === 'epoch_changed') return
  const from = client.frames.length
  t.equal((await client.request({ op: 'sync', lastEventId: cursor.lastEventId })).op, 'ok')
  t.match(await client.take('refresh'), { ...refresh, pos: head + 1 })
  t.strictSame(client.ops(from), ['ok', 'refresh'])
  await publisher.publish(room, `after the sync: ${reason}`)
  t.match(await client.take('event'), { id: head + 2, seq: seq + 2 })
  await client.settle()
  t.strictSame(client.ops(from), ['ok', 'refresh', 'event', 'pong'])
}

// Whether the window still has what was missed must make no difference.
for (const [where, env] of Object.entries<Environment>({ window: {}, Postgres: { WINDOW_BYTES: '0' } })) {
  t.test(`a refresh is the answer to what cannot be replayed whole, from ${where}`, async (t) => {
    inEachVariant(t, BOTH, { REPLAY_MAX_EVENTS: '10', ...env }, async (t, server) => {
      const publisher = await server.connect({ sub: 'eva' })
      const { epoch } = publisher.welcome

      await t.test('more missed than a resume replays', async (t) => {
        const [room, other] = [newRoom(), newRoom()]
        const { eventId } = await publisher.publish(room, 0)
        // What others missed does not count.
        for (let i = 1; i <= 10; i++) await publisher.publish(i % 2 === 0 ? room : other, i)
        for (let i = 1; i <= 5; i++) await publisher.publish('room:elsewhere', i)
        const client = await server.open()
        const cursor = { lastEventId: eventId, epoch }
        const welcome = await client.hello(await server.token(), { channels: [room, other], ...cursor })
        t.equal(welcome.resume, 'resumed')
        await client.take('live')
        t.equal(client.events.length, 10)

        for (let i = 6; i <= 11; i++) await publisher.publish(room, i)
        await refreshed(t, server, 'gap_too_large', room, cursor)
      })

      await t.test('a cursor of another epoch', async (t) => {
        const room = newRoom()
        const { eventId } = await publisher.publish(room, 0)
        await refreshed(t, server, 'epoch_changed', room, { lastEventId: eventId, epoch: 'another' })
      })

      await t.test('a cursor beyond the end of the log', async (t) => {
        const room = newRoom()
        const { eventId } = await publisher.publish(room, 0)
        await refreshed(t, server, 'ahead_of_log', room, { lastEventId: eventId + 1_000, epoch })
        await refreshed(t, server, 'ahead_of_log', room, { lastEventId: Number.MAX_SAFE_INTEGER, epoch })
      })
    })
  })

  t.test(`a refresh is the answer to what was missed too long ago, from ${where}`, async (t) => {
    const server = await testServer(t, { REPLAY_MAX_AGE_MS: '0', ...env })
    const publisher = await server.connect({ sub: 'eva' })
    const { epoch } = publisher.welcome
    const first = await publisher.publish('room:x', 1)
    await publisher.publish('room:x', 2)
    await refreshed(t, server, 'too_old', 'room:x', { lastEventId: first.eventId, epoch })

    const last = await publisher.publish('room:y', 1)
    const client = await server.open()
    const nothing = await client.hello(await server.token(), { lastEventId: last.eventId, epoch })
    t.equal(nothing.resume, 'resumed', 'who missed nothing is not too late')
  })
}

t.test('a reader goes on through a refresh', async (t) => {
  const server = await testServer(t, { REPLAY_MAX_EVENTS: '10' })
  const publisher = await server.connect({ sub: 'eva' })
  const reader = new Reader(server)
  await reader.connect(['room:x'])
  await reader.settle()
  reader.drop()
  for (let i = 1; i <= 20; i++) await publisher.publish('room:x', i)
  await reader.connect()
  await publisher.publish('room:x', 21)
  await reader.settle()
  reader.drop()
  await publisher.publish('room:x', 22)
  await reader.connect()
  await reader.settle()
  t.strictSame(reader.resumes, ['fresh', 'refresh', 'resumed'])
  t.strictSame(
    reader.received.map(({ payload }) => payload),
    [21, 22],
  )
})

t.test('when the log becomes another one, everybody is sent to resume and gets a refresh', async (t) => {
  const server = await testServer(t, { HEAD_CHECK_MS: '20' })
  const publisher = await server.connect({ sub: 'eva' })
  const reader = new Reader(server)
  await reader.connect(['room:x'])
  await publisher.publish('room:x', 1)
  await reader.settle()
  const before = reader.epoch
  await server.pool.query('update bitacora.log set epoch = gen_random_uuid()')
  t.equal(await reader.client.closed, 4503)
  t.match(reader.client.frames.at(-1), { op: 'bye', code: 4503, reconnect: true })
  await reader.connect()
  await reader.settle()
  t.strictSame(reader.resumes, ['fresh', 'refresh'])
  t.match(
    reader.client.frames.find(({ op }) => op === 'refresh'),
    { reason: 'epoch_changed', epoch: reader.epoch },
  )
  t.not(reader.epoch, before)
  const next = await server.connect({ sub: 'eva' })
  t.match(await next.publish('room:x', 2), { op: 'ok', eventId: 2, seq: 2 })
  await reader.reached(2)
})
