import { newTag, PAYLOAD } from '../load.ts'
import { type FlowMeasure, measureFlow } from '../measure.ts'
import type { Line, Scenario } from '../scenario.ts'
import { median } from '../statistics.ts'
import type { MeasuredServer } from '../system/measured-server.ts'
import { number } from '../table.ts'
import { hello } from '../tokens.ts'
import { compare, takeTurns } from '../turns.ts'
import type { Workbench } from '../workbench.ts'

const SOCKETS = 64
const WINDOW = 64

/** Frames in over many sockets, committed, acknowledged and delivered, as fast as it goes. */
export const durablePublish: Scenario = {
  name: 'durable-publish',
  async run(bench) {
    const databaseUrl = await bench.database()
    const server = await bench.server(databaseUrl)
    const control = await bench.control('common', { DATABASE_URL: databaseUrl })
    const lines: Line[] = []
    for (const socketsPerRoom of [1, 8]) {
      bench.progress(`${SOCKETS} sockets × ${WINDOW}, rooms of ${socketsPerRoom}`)
      const { subject: ours, control: theirs } = await takeTurns(
        bench.options.rounds,
        () => publish(bench, server, socketsPerRoom),
        () => publish(bench, control, socketsPerRoom),
      )
      const rate = (measure: FlowMeasure) => measure.acksPerSecond
      const cpu = (measure: FlowMeasure) => measure.cpuMicros
      const { subject, control: common, ...rest } = compare(ours.map(rate), theirs.map(rate))
      lines.push({
        what: `durable publish, ${SOCKETS} sockets × ${WINDOW} in flight, rooms of ${socketsPerRoom}`,
        subject: `${number(subject)} acks/s`,
        control: `ws + INSERT each ${number(common)}`,
        ...rest,
        target: { bound: 'at least', value: 6 },
        cpuMicros: median(ours.map(cpu)),
        controlCpuMicros: median(theirs.map(cpu)),
      })
    }
    return lines
  },
}

async function publish(
  bench: Workbench,
  server: MeasuredServer,
  socketsPerRoom: number,
): Promise<FlowMeasure> {
  const generator = bench.generator()
  const channels = Array.from({ length: SOCKETS / socketsPerRoom }, (_, n) => `room:flow-${n}`)
  const hellos = Array.from({ length: SOCKETS }, (_, n) =>
    hello({ user: `writer-${n}`, channels: [channels[n % channels.length]!] }),
  )
  await generator.open({ group: 'writers', port: server.port, hellos, concurrency: SOCKETS })
  const flow = { group: 'writers', window: WINDOW, channels, payload: PAYLOAD, tag: newTag() }
  const measure = await measureFlow(generator, server, bench.options.seconds, flow)
  await generator.close({ group: 'writers' })
  return measure
}
