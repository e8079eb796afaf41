import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { Environment } from '../../src/config.ts'
import type { TestClient } from '../client.ts'
import { Reader } from '../reader.ts'
import { inEachVariant, newRoom, type TestServer, VARIANTS } from '../server.ts'

/**
 * Readers come and go, lose their connections in the middle of everything, rewind, read slowly, change their channels,
 * while events are published. Each reader checks every frame (test/reader.ts); in the end each has its channels up to the
 * end. A failing run prints its seed: SEED=… runs it again, RUNS=… runs more of them.
 */
const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const RUNS = Number(process.env.RUNS ?? 12)

const READERS = 3
const ROOMS = 3

const who = fc.nat(READERS - 1)
const room = fc.nat(ROOMS - 1)
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('publish'),
      room,
      count: fc.integer({ min: 1, max: 40 }),
      bytes: fc.nat(2_000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('enter'), who, room }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave'), who, room }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('drop'), who }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('return'), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sync'), who, back: fc.nat(100) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('stop reading'), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('read'), who }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait'), turns: fc.integer({ min: 1, max: 20 }) }) },
)
type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never

class Run {
  readonly #server: TestServer
  readonly #publisher: TestClient
  readonly #rooms = Array.from({ length: ROOMS }, newRoom)
  readonly #readers: Reader[]
  readonly #published: Promise<unknown>[] = []
  readonly #asked: Promise<unknown>[] = []

  constructor(server: TestServer, publisher: TestClient) {
    this.#server = server
    this.#publisher = publisher
    this.#readers = Array.from({ length: READERS }, (_, i) => new Reader(server, { sub: `reader ${i}` }))
  }

  async start(): Promise<void> {
    await Promise.all(this.#readers.map((reader, i) => reader.connect(this.#rooms.slice(0, i))))
  }

  async take(action: Action): Promise<void> {
    const reader = 'who' in action ? this.#readers[action.who]! : undefined
    if (action.do === 'publish') {
      for (let i = 0; i < action.count; i++) {
        const payload = `${i} ${'x'.repeat(action.bytes)}`
        this.#published.push(this.#publisher.publish(this.#rooms[action.room]!, payload))
      }
    } else if (action.do === 'wait') {
      for (let i = 0; i < action.turns; i++) await turn()
    } else if (action.do === 'return') {
      if (!reader!.connected) await reader!.connect()
    } else if (reader!.connected) {
      this.#ask(reader!, action)
    }
    await turn()
  }

  /** Waits for nothing: that everything overlaps is what is tested. */
  #ask(reader: Reader, action: Action): void {
    const { client } = reader
    // The connection may break before the reply.
    const request = (frame: { op: string; [field: string]: unknown }) =>
      this.#asked.push(client.request(frame).catch(() => {}))
    if (action.do === 'drop') reader.drop()
    else if (action.do === 'stop reading') client.pause()
    else if (action.do === 'read') client.resume()
    else if (action.do === 'enter') request({ op: 'subscribe', channel: this.#rooms[action.room], last: 2 })
    else if (action.do === 'leave') request({ op: 'unsubscribe', channel: this.#rooms[action.room] })
    else if (action.do === 'sync') {
      reader.absorb()
      const from = reader.received.at(-1 - action.back)?.id ?? reader.cursor
      if (from !== undefined) request({ op: 'sync', lastEventId: from })
    }
  }

  /** Everybody comes back, and has what it should have. */
  async end(): Promise<void> {
    await Promise.all(this.#published)
    const { rows } = await this.#server.pool.query(
      'select id::int, channel, seq::int, payload from bitacora.events where channel = any ($1) order by id',
      [this.#rooms],
    )
    const stored = new Map(rows.map((row) => [row.id, row]))
    for (const reader of this.#readers) reader.client.resume()
    await Promise.all(this.#asked)
    for (const reader of this.#readers) {
      if (!reader.connected) await reader.connect()
      await reader.settle()
      for (const room of this.#rooms) {
        const seq = reader.seqOf(room)
        const last = rows.findLast(({ channel }) => channel === room)?.seq ?? 0
        if (seq !== undefined && seq !== last) throw new Error(`has ${room} up to ${seq} of ${last}`)
      }
      for (const { id, channel, seq, payload } of reader.received) {
        const row = stored.get(id)
        const same = row?.channel === channel && row?.seq === seq && row?.payload === JSON.stringify(payload)
        if (!same) throw new Error(`event ${id} is not the one that is stored`)
      }
      reader.drop()
    }
  }
}

async function holds(t: Test, server: TestServer): Promise<void> {
  const publisher = await server.connect({ sub: 'eva' })
  const property = fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 60 }), async (actions) => {
    const run = new Run(server, publisher)
    await run.start()
    for (const action of actions) await run.take(action)
    await run.end()
  })
  // Another run of the same actions goes another way, so there is no use in looking for fewer of them.
  const { failed, errorInstance, counterexample } = await fc.check(property, {
    seed: SEED,
    numRuns: RUNS,
    endOnFailure: true,
  })
  t.notOk(failed, `SEED=${SEED}: ${(errorInstance as Error)?.message}; ${JSON.stringify(counterexample)}`)
}

const WINDOWS: Environment[] = [
  {},
  { WINDOW_BYTES: '0' },
  { WINDOW_BYTES: '20000' },
  { WINDOW_BYTES: '200000' },
]

t.test(`each reader sees exactly its channels’ events, once, in order (SEED=${SEED})`, async (t) => {
  for (const [i, variant] of VARIANTS.entries()) inEachVariant(t, [variant], WINDOWS[i]!, holds)
})
