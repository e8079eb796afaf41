import { setTimeout as wait } from 'node:timers/promises'
import type { Scenario } from '../scenario.ts'
import { median } from '../statistics.ts'
import { collectGarbage, type MeasuredServer } from '../system/measured-server.ts'
import { residentBytes } from '../system/process-cost.ts'
import { number } from '../table.ts'
import { hello } from '../tokens.ts'
import { compare, takeTurns } from '../turns.ts'
import type { Workbench } from '../workbench.ts'

const CONNECTIONS = 10_000
const PER_ROOM = 10
/** Open at the first reading, so that code and buffers needed once are not counted per connection. */
const FIRST_CONNECTIONS = 1_000
/** V8 gives the young generation back only at the third or so collection in which little was allocated in between. */
const COLLECTIONS = 5
const BETWEEN_COLLECTIONS_MS = 1_500

/**
 * What one idle connection, authenticated and subscribed to a room, keeps in RAM beyond what the bare engine keeps for
 * a connection subscribed to a topic: the growth of the process's resident set from 1,000 to 10,000 of them, both readings
 * after repeated forced collections of garbage.
 */
export const idleMemory: Scenario = {
  name: 'idle-memory',
  async run(bench) {
    const databaseUrl = await bench.database()
    const { subject: ours, control: raw } = await takeTurns(
      bench.options.quick ? 1 : bench.options.rounds,
      async () => perConnection(bench, await bench.server(databaseUrl)),
      async () => perConnection(bench, await bench.control('uws')),
    )
    const { subject, control, ...rest } = compare(ours, raw)
    return [
      {
        what: `memory per idle connection, ${number(CONNECTIONS)} of them`,
        subject: `${number(subject)} bytes`,
        control: `raw uWebSockets.js ${number(control)}`,
        ...rest,
        target: {
          bound: 'at most',
          value: 4096,
          unit: 'bytes more',
          measured: median(ours.map((bytes, round) => bytes - raw[round]!)),
        },
      },
    ]
  },
}

async function perConnection(bench: Workbench, server: MeasuredServer): Promise<number> {
  const generator = bench.generator()
  const open = async (group: string, from: number, to: number): Promise<void> => {
    const hellos = Array.from({ length: to - from }, (_, n) =>
      hello({ user: `idle-${from + n}`, channels: [`room:idle-${Math.floor((from + n) / PER_ROOM)}`] }),
    )
    await generator.open({ group, port: server.port, hellos, concurrency: 200 })
  }
  await open('first', 0, FIRST_CONNECTIONS)
  const before = await settledBytes(server)
  await open('rest', FIRST_CONNECTIONS, CONNECTIONS)
  const after = await settledBytes(server)
  const counts = await Promise.all(['first', 'rest'].map((group) => generator.counts({ group })))
  const lost = CONNECTIONS - counts.reduce((sum, { open }) => sum + open, 0)
  if (lost > 0) throw new Error(`${lost} connections were lost`)
  bench.progress(
    `${number(before / 2 ** 20)} MiB, with ${CONNECTIONS} connections ${number(after / 2 ** 20)} MiB`,
  )
  await generator.close({ group: 'first' })
  await generator.close({ group: 'rest' })
  await server.end()
  return (after - before) / (CONNECTIONS - FIRST_CONNECTIONS)
}

async function settledBytes(server: MeasuredServer): Promise<number> {
  for (let n = 0; n < COLLECTIONS; n++) {
    await collectGarbage(server)
    await wait(BETWEEN_COLLECTIONS_MS)
  }
  return residentBytes(server.pid)
}
