import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { TestClient } from '../client.ts'
import { Reader } from '../reader.ts'
import { BOTH, inEachVariant, newRoom, type TestServer } from '../server.ts'

const MIB = 1 << 20
/** More than the buffers between two sockets of one machine take. */
const MORE_THAN_BUFFERS = 14 * MIB
const PAYLOAD = 'x'.repeat(50_000)

/** Publishes so many bytes, a part at a time, as long as `goesOn`; returns how many events that were. */
async function publishMuch(
  publisher: TestClient,
  room: string,
  bytes: number,
  goesOn: () => boolean | Promise<boolean> = () => true,
): Promise<number> {
  let count = 0
  while (count * PAYLOAD.length < bytes && (await goesOn())) {
    await Promise.all(Array.from({ length: 20 }, () => publisher.publish(room, PAYLOAD)))
    count += 20
  }
  return count
}

async function metric(server: TestServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.http}/metrics`)).text()
  return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'm').exec(text)?.[1])
}

const tooSlow = (server: TestServer) => metric(server, 'bitacora_send_buffer_closes_total')

inEachVariant(
  t,
  BOTH,
  { SEND_BUFFER_BYTES: String(128 * 1024), HEARTBEAT_MS: '60000' },
  async (t, server) => {
    const room = newRoom()
    const publisher = await server.connect({ sub: 'eva' })
    const reader = new Reader(server)
    const other = new Reader(server, { sub: 'luis' })
    await reader.connect([room])
    await other.connect([room])
    await Promise.all([reader.settle(), other.settle()])

    await t.test('who does not read is closed, has a prefix, and resumes where it ended', async (t) => {
      const slow = reader.client
      slow.pause()
      const before = await tooSlow(server)
      const isOpen = async () => (await tooSlow(server)) === before
      const count = await publishMuch(publisher, room, 100 * MIB, isOpen)
      t.equal(await tooSlow(server), before + 1)

      await other.settle()
      t.equal(other.received.length, count, 'the others have everything')

      slow.resume()
      // 4508 where it could still be told, else an abrupt end.
      const code = await slow.closed
      t.ok(code === 4508 || code === 1006, `closed with ${code}`)
      reader.absorb()
      const prefix = reader.received.length
      t.ok(prefix > 0 && prefix < count, `${prefix} of ${count}`)
      t.equal((await reader.connect()).resume, 'resumed')
      await reader.settle()
      t.equal(reader.received.length, count)
      await publisher.publish(room, 'live again')
      await reader.settle()
      t.equal(reader.received.at(-1)?.payload, 'live again')
    })

    await t.test('a replay waits for its reader, and trips no limit', async (t) => {
      await waitsForReader(t, server, reader, publisher, other.client, room)
    })
  },
)

async function waitsForReader(
  t: Test,
  server: TestServer,
  reader: Reader,
  publisher: TestClient,
  witness: TestClient,
  room: string,
): Promise<void> {
  const [entered, left] = [newRoom(), newRoom()]
  await reader.client.request({ op: 'subscribe', channel: left })
  await reader.settle()
  reader.drop()
  const before = reader.received.length
  const closes = await tooSlow(server)
  const count = await publishMuch(publisher, room, MORE_THAN_BUFFERS)
  await publisher.publish(left, 'before')

  const welcome = await reader.connect()
  t.equal(welcome.resume, 'resumed')
  const { client } = reader
  client.pause()
  // What is asked for now is done at the end of the replay.
  const requests = [
    client.request({ op: 'subscribe', channel: entered }),
    client.request({ op: 'unsubscribe', channel: left }),
    client.publish(room, 'mine'),
  ]
  await witness.event('mine')
  await publisher.publish(left, 'meanwhile')
  await publisher.publish(room, 'meanwhile')
  // A replay that did not wait would send a page in each.
  for (let i = 0; i < 1_000; i++) await turn()
  client.resume()
  const replies = await Promise.all(requests)
  await reader.settle()
  t.equal(await tooSlow(server), closes)
  t.equal(reader.received.length, before + count + 4)
  t.match(
    reader.received.slice(before + count).map(({ channel, payload }) => [channel, payload]),
    [
      [left, 'before'],
      [room, 'mine'],
      [left, 'meanwhile'],
      [room, 'meanwhile'],
    ],
  )
  const live = client.ops().indexOf('live')
  const [subscribed, unsubscribed, published] = replies.map((reply) => client.frames.indexOf(reply as never))
  t.ok(published! < live, 'a publish does not wait for the replay')
  t.ok(live < subscribed! && subscribed! < unsubscribed!, 'changes of the channels do')

  await publisher.publish(left, 'too late')
  await publisher.publish(entered, 'in time')
  await reader.settle()
  t.equal(reader.received.at(-1)?.payload, 'in time')
}
