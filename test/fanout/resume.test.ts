import t, { type Test } from 'tap'
import { Reader } from '../reader.ts'
import { BOTH, inEachVariant, newRoom, type TestServer, testServer, VARIANTS } from '../server.ts'

const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i)

/** What was missed is in the window, only in Postgres, or the older part there and the rest in the window. */
const WINDOWS = [
  ['the window', {}, BOTH],
  ['Postgres', { WINDOW_BYTES: '0' }, VARIANTS.slice(2)],
  ['both', { WINDOW_BYTES: '60000' }, VARIANTS.slice(0, 1)],
] as const

for (const [where, env, variants] of WINDOWS) {
  t.test(`a session that comes back gets exactly what it missed, from ${where}`, async (t) => {
    inEachVariant(t, variants, env, missed)
  })
}

async function missed(t: Test, server: TestServer) {
  const rooms = [newRoom(), newRoom(), newRoom()]
  const elsewhere = newRoom()
  const publisher = await server.connect({ sub: 'eva' })
  const publish = (count: number) =>
    Promise.all(range(1, count).map((i) => publisher.publish([...rooms, elsewhere][i % 4]!, 'x'.repeat(i))))
  const reader = new Reader(server)
  await publish(8)
  await reader.connect(rooms)
  await publish(40)
  await reader.settle()
  t.equal(reader.received.length, 30)

  for (const away of [400, 1, 3]) {
    reader.drop()
    await publish(away)
    const welcome = await reader.connect()
    const [{ id: head }] = (await server.pool.query('select id from bitacora.head')).rows
    t.match(welcome, { resume: 'resumed', pos: head })
    await reader.settle()
  }
  const { rows } = await server.pool.query(
    `select id::int, channel, seq::int, payload from bitacora.events
     where channel = any ($1) order by id offset 6`,
    [rooms],
  )
  t.strictSame(
    reader.received.map(({ id, channel, seq, payload }) => ({
      id,
      channel,
      seq,
      payload: JSON.stringify(payload),
    })),
    rows,
  )

  await t.test('while others go on publishing', async (t) => {
    let going = true
    const publishing = (async () => {
      while (going) await publish(20)
    })()
    for (const _ of range(1, 10)) {
      reader.drop()
      await publisher.settle()
      t.equal((await reader.connect()).resume, 'resumed')
      await reader.settle()
    }
    going = false
    await publishing
    await reader.settle()
    await complete(t, server, reader, rooms)
  })

  await t.test('a connection that breaks in the middle of a replay goes on from there', async (t) => {
    reader.drop()
    await publish(800)
    const before = reader.received.length
    for (let breaks = 0; breaks < 5; breaks++) {
      await reader.connect()
      await reader.reached(reader.cursor! + 1)
      reader.drop()
    }
    t.ok(reader.received.length > before)
    await reader.connect()
    await reader.settle()
    await complete(t, server, reader, rooms)
  })

  await t.test('nothing missed is resumed as well', async (t) => {
    await reader.settle()
    reader.drop()
    t.equal((await reader.connect()).resume, 'resumed')
    await reader.client.take('live')
    t.strictSame(reader.client.ops(), ['welcome', 'live'])
  })
}

/** The reader has each of its channels up to the end. */
async function complete(t: Test, server: TestServer, reader: Reader, channels: string[]): Promise<void> {
  const { rows } = await server.pool.query(
    'select channel, max(seq)::int as seq from bitacora.events where channel = any ($1) group by 1',
    [channels],
  )
  for (const { channel, seq } of rows) t.equal(reader.seqOf(channel), seq, channel)
}

inEachVariant(t, BOTH, {}, async (t, server) => {
  const publisher = await server.connect({ sub: 'eva' })

  await t.test('the seqs of welcome are those at lastEventId', async (t) => {
    const [room, silent, fresh] = [newRoom(), newRoom(), newRoom()]
    await publisher.publish(silent, 1)
    const { eventId } = await publisher.publish(room, 1)
    for (const channel of [room, room, fresh]) await publisher.publish(channel, 2)
    const client = await server.open()
    const { epoch } = publisher.welcome
    const channels = [room, silent, fresh, 'room:never']
    const welcome = await client.hello(await server.token(), { channels, lastEventId: eventId, epoch })
    t.strictSame(welcome.channels.slice(2), [
      { channel: room, seq: 1 },
      { channel: silent, seq: 1 },
      { channel: fresh, seq: 0 },
      { channel: 'room:never', seq: 0 },
    ])
    const { pos } = await client.take('live')
    t.equal(pos, welcome.pos)
    t.strictSame(client.ops(), ['welcome', 'event', 'event', 'event', 'live'])
  })

  await t.test('what others publish while a session replays comes behind it, without a hole', async (t) => {
    const room = newRoom()
    const reader = new Reader(server)
    await reader.connect([room])
    await reader.settle()
    reader.drop()
    await Promise.all(range(1, 1_000).map((i) => publisher.publish(room, i)))
    const publishing = Promise.all(range(1, 300).map((i) => publisher.publish(room, i)))
    await reader.connect()
    await publishing
    await reader.reached((await publisher.publish(room, 'last')).eventId)
    t.strictSame(
      reader.received.map(({ seq }) => seq),
      range(1, 1_301),
    )
  })
})

t.test('a session resumes on another node, and after a restart', async (t) => {
  const one = await testServer(t)
  const database = { url: one.databaseUrl }
  // A node whose tail lags waits for it, instead of taking the cursor for one of another log.
  const other = await testServer(t, { HEAD_CHECK_MS: '400' }, { database })
  const publisher = await one.connect({ sub: 'eva' })
  const reader = new Reader(one)
  await reader.connect(['room:x'])
  for (const _ of range(1, 5)) {
    await publisher.publish('room:x', 1)
    await reader.settle()
  }
  t.equal(reader.received.length, 5)
  const { cursor, epoch } = reader
  const client = await other.open()
  const welcome = await client.hello(await other.token(), {
    channels: ['room:x'],
    lastEventId: cursor!,
    epoch,
  })
  t.match(welcome, { resume: 'resumed', epoch, pos: cursor })
  // What one node appends, the other brings.
  const { eventId } = await publisher.publish('room:x', 'across')
  t.match(await client.event('across'), { id: eventId, seq: 6 })

  await one.close()
  const next = await testServer(t, {}, { database })
  const again = await next.open()
  const resumed = await again.hello(await next.token(), { channels: ['room:x'], lastEventId: cursor!, epoch })
  t.match(resumed, { resume: 'resumed', epoch })
  t.match(await again.take('event'), { id: eventId, payload: 'across' })
  t.match(await again.take('live'), { pos: eventId })
})
