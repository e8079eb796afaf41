import { FAN_CHANNEL } from '../controls/frames.ts'
import type { PaceReply } from '../generator/commands.ts'
import { newTag, PAYLOAD } from '../load.ts'
import type { Scenario } from '../scenario.ts'
import { median } from '../statistics.ts'
import { collectGarbage, type MeasuredServer } from '../system/measured-server.ts'
import { cpuMicros } from '../system/process-cost.ts'
import { number } from '../table.ts'
import { hello } from '../tokens.ts'
import { compare, takeTurns } from '../turns.ts'
import type { Workbench } from '../workbench.ts'

const READERS = 1000
const EVENTS_PER_SECOND = 20
/** What one subscriber gets besides, in a channel of its own, so that its buffers run full while the others are measured. */
const FLOOD_CHANNEL = 'room:flood'
const FLOOD_PER_SECOND = 40
const FLOOD_PAYLOAD = JSON.stringify({ text: 'x'.repeat(32 * 1024) })
const SHORTEST_SECONDS = 5

interface Crowd {
  readonly latency: PaceReply['latency']
  readonly cpuMicros: number
}

/** A channel of 1,000 of whom one reads nothing: what the other 999 notice of it. */
export const slowReader: Scenario = {
  name: 'slow-reader',
  async run(bench) {
    const server = await bench.server(await bench.database())
    const { subject: stalled, control: reading } = await takeTurns(
      bench.options.rounds,
      () => crowd(bench, server, true),
      () => crowd(bench, server, false),
    )
    const closes = await bufferCloses(server)
    const of = (pick: (latency: Crowd['latency']) => number) =>
      compare(
        stalled.map((turn) => pick(turn.latency)),
        reading.map((turn) => pick(turn.latency)),
      )
    const cpu = {
      cpuMicros: median(stalled.map((turn) => turn.cpuMicros)),
      controlCpuMicros: median(reading.map((turn) => turn.cpuMicros)),
    }
    const line = (name: string, { subject, control, ...rest }: ReturnType<typeof compare>, most: number) => ({
      what: `${READERS} subscribers, one reads nothing: the others' delivery ${name}`,
      subject: `${number(subject)} ms (closed ${closes} of ${stalled.length})`,
      control: `all read ${number(control)} ms`,
      ...rest,
      target: { bound: 'at most' as const, value: most },
      ...cpu,
    })
    return [
      line(
        'p50',
        of((latency) => latency.p50Ms),
        1.1,
      ),
      line(
        'p99',
        of((latency) => latency.p99Ms),
        1.25,
      ),
    ]
  },
}

async function crowd(bench: Workbench, server: MeasuredServer, oneStalls: boolean): Promise<Crowd> {
  const { port } = server
  const [others, one] = [bench.generator(), bench.generator()]
  const hellos = Array.from({ length: READERS - 1 }, (_, n) =>
    hello({ user: `reader-${n}`, channels: [FAN_CHANNEL] }),
  )
  await others.open({ group: 'readers', port, hellos, concurrency: 100 })
  await others.open({ group: 'writer', port, hellos: [hello({ user: 'writer' })], concurrency: 1 })
  const slow = hello({ user: 'slow', channels: [FAN_CHANNEL, FLOOD_CHANNEL] })
  await one.open({ group: 'slow', port, hellos: [slow], concurrency: 1 })
  await one.open({ group: 'flooder', port, hellos: [hello({ user: 'flooder' })], concurrency: 1 })
  if (oneStalls) await one.stall({ group: 'slow', index: 0 })

  await collectGarbage(server)
  const before = cpuMicros(server.pid)
  const seconds = Math.max(bench.options.seconds, SHORTEST_SECONDS)
  const load = { subscribers: 'readers', seconds, tag: newTag() }
  const flood = { channel: FLOOD_CHANNEL, payload: FLOOD_PAYLOAD, perSecond: FLOOD_PER_SECOND }
  const talk = { channel: FAN_CHANNEL, payload: PAYLOAD, perSecond: EVENTS_PER_SECOND }
  const [{ latency, published, deliveries }] = await Promise.all([
    others.pace({ ...load, ...talk, publishers: 'writer' }),
    one.pace({ ...load, ...flood, publishers: 'flooder', subscribers: 'flooder' }),
  ])
  const used = cpuMicros(server.pid) - before
  if (deliveries !== published * (READERS - 1)) {
    throw new Error(`${deliveries} of ${published * (READERS - 1)} deliveries came`)
  }
  await Promise.all([
    ...['readers', 'writer'].map((group) => others.close({ group })),
    ...['slow', 'flooder'].map((group) => one.close({ group })),
  ])
  bench.progress(`${oneStalls ? 'one stalls' : 'all read'}: p99 ${number(latency.p99Ms)} ms`)
  return { latency, cpuMicros: used / deliveries }
}

async function bufferCloses({ port }: MeasuredServer): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return Number(/^bitacora_send_buffer_closes_total (\d+)/m.exec(metrics)?.[1] ?? Number.NaN)
}
