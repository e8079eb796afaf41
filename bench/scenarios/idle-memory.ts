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
/** Opened and closed before the first reading, so that code and buffers needed once are not counted per connection. */
const WARM_UP_CONNECTIONS = 1_000
/** V8 gives the young generation back only at the third or so collection in which little was allocated in between. */
const COLLECTIONS = 5
const BETWEEN_COLLECTIONS_MS = 1_500

/**
 * What one idle connection, authenticated and subscribed to a room, keeps in RAM beyond what the bare engine keeps for
 * a connection subscribed to a topic: the growth of the process's resident set over 10,000 of them, both readings after
 * repeated forced collections of garbage.
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
  const open = async (connections: number): Promise<void> => {
    const hellos = Array.from({ length: connections }, (_, n) =>
      hello({ user: `idle-${n}`, channels: [`room:idle-${Math.floor(n / PER_ROOM)}`] }),
    )
    await generator.open({ group: 'idle', port: server.port, hellos, concurrency: 200 })
  }
  await open(WARM_UP_CONNECTIONS)
  await generator.close({ group: 'idle' })
  const before = await settledBytes(server)
  await open(CONNECTIONS)
  const after = await settledBytes(server)
  const { open: stillOpen } = await generator.counts({ group: 'idle' })
  if (stillOpen !== CONNECTIONS) throw new Error(`${CONNECTIONS - stillOpen} connections were lost`)
  bench.progress(
    `${number(before / 2 ** 20)} MiB, with ${CONNECTIONS} connections ${number(after / 2 ** 20)} MiB`,
  )
  await generator.close({ group: 'idle' })
  await server.end()
  return (after - before) / CONNECTIONS
}

async function settledBytes(server: MeasuredServer): Promise<number> {
  for (let n = 0; n < COLLECTIONS; n++) {
    await collectGarbage(server)
    await wait(BETWEEN_COLLECTIONS_MS)
  }
  return residentBytes(server.pid)
}
